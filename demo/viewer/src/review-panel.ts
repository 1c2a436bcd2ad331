/** The controls of a review: what is looked at, the verdicts, and how far it is. */

import { byId, el, icon, icons } from './dom';
import { nameOf } from './panel';
import { type Item, progressOf } from './review-list';
import { endText, itemText, rejectTitle, rejectWord } from './review-words';
import type { Workbench } from './workbench';

const DRAWINGS: Record<string, string> = {
  'review-accept': icons.accept,
  'review-correct': icons.plus,
  'review-back': icons.previous,
  'review-skip': icons.following,
};

export function reviewPanel(bench: Workbench): void {
  const { review } = bench;
  const deeds: Record<string, () => void> = {
    'review-accept': () => void review.accept(),
    'review-correct': () => review.correct(),
    'review-reject': () => void review.reject(),
    'review-back': () => void review.back(),
    'review-skip': () => void review.skip(),
    'review-close': () => review.close(),
  };
  for (const [id, drawing] of Object.entries(DRAWINGS)) byId(id).prepend(icon(drawing));
  for (const [id, deed] of Object.entries(deeds)) {
    byId(id).addEventListener('click', (event) => {
      deed();
      if (event.detail) byId('map').focus({ preventScroll: true }); // the next key belongs to the slide
    });
  }

  function show(): void {
    const { list, current } = review;
    byId('review').hidden = list === null;
    document.body.classList.toggle('reviewing', list !== null);
    if (!list) return;
    const { done, all } = progressOf(list);
    byId('review-title').textContent = list.title;
    byId('review-count').textContent = current ? `${Math.min(done + 1, all)} of ${all}` : `${done} of ${all}`;
    const bar = byId<HTMLProgressElement>('review-progress');
    [bar.max, bar.value] = [Math.max(1, all), done];
    say(current ? describe(current) : endText(list));
    byId('review-doubts').replaceChildren(...(current?.doubts ?? []).map((doubt) => el('li', {}, doubt)));
    byId('review').classList.toggle('doubtful', current?.isDoubtful ?? false);
    offer(current);
    byId<HTMLButtonElement>('review-back').disabled = list.at === 0;
  }

  /** Said once: a reader would repeat what is written anew. */
  function say(text: string): void {
    if (byId('review-said').textContent !== text) byId('review-said').textContent = text;
  }

  function describe(item: Item): string {
    const annotation = bench.annotations.get(item.annotation);
    const terms = (annotation?.term ?? []).map((id) => bench.terms.get(id)?.name ?? '').filter(Boolean);
    return itemText(item, annotation ? nameOf(annotation, bench) : `Annotation ${item.annotation}`, terms.join(', '));
  }

  function offer(item: Item | null): void {
    for (const id of ['review-accept', 'review-correct', 'review-reject', 'review-skip', 'review-keys']) byId(id).hidden = item === null;
    byId('review-close').classList.toggle('primary', item === null);
    byId('review-close').title = item === null ? 'Close the review (Esc)' : 'Close the review';
    if (!item) return;
    byId('review-reject').replaceChildren(icon(item.before === null ? icons.remove : icons.undo), rejectWord(item));
    byId('review-reject').title = rejectTitle(item);
  }

  bench.on('review', show);
  bench.on('change', show);
}
