/** What shall be reviewed: what was refined or accepted here, the slide's annotations by a filter, or the report of a batch. */

import { byId, el } from './dom';
import { complain } from './notifications';
import { attempt } from './picker';
import { Problem } from './api';
import { type Facts, factsOfReport } from './review-list';
import type { Workbench } from './workbench';

type Source = 'refined' | 'accepted' | 'slide' | 'report';

const NAMES: Record<Source, string> = {
  accepted: 'Accepted proposals',
  refined: 'Refined in this visit',
  report: 'A report of “refine” (CSV)…',
  slide: 'Annotations of this slide',
};
const TITLES: Record<Source, string> = {
  accepted: 'Review of proposals',
  refined: 'Review of refines',
  report: 'Review of a report',
  slide: 'Review of the slide',
};

export function reviewDialog(bench: Workbench): void {
  const dialog = byId<HTMLDialogElement>('review-dialog');
  const [term, user] = [byId<HTMLSelectElement>('review-term'), byId<HTMLSelectElement>('review-user')];
  const file = byId<HTMLInputElement>('review-file');
  const start = byId<HTMLButtonElement>('review-start');
  const rows = new Map<Source, { input: HTMLInputElement; count: HTMLElement }>();
  let report: Facts[] = [];

  for (const source of Object.keys(NAMES) as Source[]) {
    const input = el('input', { type: 'radio', name: 'review-source', value: source });
    const count = el('span', { class: 'badge' });
    rows.set(source, { input, count });
    input.addEventListener('change', () => {
      if (source === 'report') file.click();
      show();
    });
    byId('review-sources').append(el('label', {}, input, el('span', {}, NAMES[source]), count));
  }

  const chosen = (): Source => [...rows].find(([, { input }]) => input.checked)?.[0] ?? 'slide';

  function factsOf(source: Source): Facts[] {
    const { review, annotations } = bench;
    if (source === 'report') return report;
    if (source === 'refined') return review.refined;
    if (source === 'accepted') return [...review.accepted.values()].filter(({ annotation }) => annotations.has(annotation));
    const [byTerm, byUser] = [Number(term.value), Number(user.value)];
    return review.areas
      .filter((each) => (!byTerm || each.term.includes(byTerm)) && (!byUser || each.user === byUser))
      .map((each) => review.factsOf(each));
  }

  function show(): void {
    for (const [source, { input, count }] of rows) {
      const facts = factsOf(source);
      count.textContent = source === 'report' && !facts.length ? '' : facts.length.toLocaleString('en');
      input.disabled = source !== 'report' && source !== 'slide' && facts.length === 0;
    }
    byId('review-filter').hidden = chosen() !== 'slide';
    const { length } = factsOf(chosen());
    start.disabled = length === 0;
    start.textContent = length ? `Review ${length.toLocaleString('en')}` : 'Nothing to review';
  }

  function open(): void {
    const option = (value: number, text: string): HTMLElement => el('option', { value: value ? String(value) : '' }, text);
    term.replaceChildren(option(0, 'any'), ...[...bench.terms.values()].map(({ id, name }) => option(id, name)));
    user.replaceChildren(option(0, 'anybody'), ...[...bench.users].map(([id, name]) => option(id, name)));
    const first = (['accepted', 'refined', 'slide'] as const).find((source) => factsOf(source).length) ?? 'slide';
    rows.get(first)!.input.checked = true;
    show();
    dialog.showModal();
  }

  async function read(): Promise<void> {
    const [chosenFile] = file.files ?? [];
    file.value = '';
    if (!chosenFile) return;
    report = factsOfReport(await chosenFile.text(), bench.image!.id);
    if (!report.length) complain(new Problem('Nothing to review in this file', 'It needs a column “annotation” with annotation ids.'));
    show();
  }

  byId('review-open').addEventListener('click', open);
  term.addEventListener('change', show);
  user.addEventListener('change', show);
  file.addEventListener('change', () => void attempt(read));
  start.addEventListener('click', () => {
    const source = chosen();
    dialog.close();
    byId('map').focus({ preventScroll: true });
    void bench.review.start(TITLES[source], factsOf(source));
  });
}
