/** The details of the selected annotation, with its actions. */

import { byId, el, icon, icons } from './dom';
import { areaMeasure, areaOf, lengthMeasure, measureText, perimeterOf, readLocation } from './geometry';
import type { SlideMap } from './slidemap';
import type { Annotation } from './types';
import { confidenceOf, doubtsOf, isDoubtful } from './words';
import type { Workbench } from './workbench';

export function kindOf(location: string): string {
  if (location.startsWith('POINT')) return 'Point';
  if (location.startsWith('LINESTRING')) return 'Line';
  return location.startsWith('MULTI') ? 'Multipart shape' : 'Shape';
}

/** What an annotation is called: by its number, or by why it has none. */
export function nameOf({ id, location }: Annotation, { drafts }: Workbench): string {
  if (id > 0) return `${kindOf(location)} ${id}`;
  return `${kindOf(location)}, ${drafts.problemOf(id) ? 'not saved' : 'being saved'}`;
}

export function dateText(time: string | number): string {
  return new Date(Number(time)).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

export class Panel {
  private readonly refine = byId<HTMLButtonElement>('refine');
  private readonly compareButton = byId<HTMLButtonElement>('compare');
  private readonly keep = byId<HTMLInputElement>('keep-points');

  constructor(
    private readonly bench: Workbench,
    private readonly slides: SlideMap,
  ) {
    this.refine.prepend(icon(icons.wand));
    this.refine.addEventListener('click', () => void bench.refines.start());
    byId('cancel-refine').addEventListener('click', () => bench.selected && bench.refines.giveUp(bench.selected.id));
    byId('save-again').addEventListener('click', () => bench.selected && bench.drafts.save(bench.selected.id));
    byId('discard').addEventListener('click', () => bench.selected && bench.drafts.discard(bench.selected.id));
    this.compareButton.prepend(icon(icons.compare));
    this.compareButton.addEventListener('click', () => this.compare(!this.isComparing));
    this.keep.addEventListener('change', () => (bench.keepPoints = this.keep.checked));
    byId('center').prepend(icon(icons.target));
    byId('center').addEventListener('click', () => this.center());
    byId('copy-link').addEventListener('click', () => void this.copyLink());
    bench.on('change', () => this.show());
  }

  /** Show the outline as it was before the refine, or as it is. */
  compare(on: boolean): void {
    const shown = this.slides.compare(on);
    this.compareButton.setAttribute('aria-pressed', String(shown));
    byId('before-badge').hidden = !shown;
  }

  get isComparing(): boolean {
    return this.compareButton.getAttribute('aria-pressed') === 'true';
  }

  center(): void {
    const { selected } = this.bench;
    if (selected) this.slides.fit(readLocation(selected.location).getExtent());
  }

  private show(): void {
    const { selected } = this.bench;
    byId('nothing').hidden = selected !== null;
    byId('details').hidden = selected === null;
    if (!selected) {
      if (this.isComparing) this.compare(false);
      return;
    }
    this.showFacts(selected);
    this.showActions(selected);
    this.showScore(selected);
  }

  private showFacts(annotation: Annotation): void {
    const { image, users } = this.bench;
    const [geometry, microns] = [readLocation(annotation.location), image?.physicalSizeX ?? null];
    const [area, length] = [areaOf(geometry), perimeterOf(geometry)];
    const facts: [string, string | null][] = [
      ['Area', area ? measureText(areaMeasure(area, microns)) : null],
      [area ? 'Perimeter' : 'Length', length ? measureText(lengthMeasure(length, microns)) : null],
      ['Created by', users.get(annotation.user) ?? String(annotation.user)],
      ['Created on', dateText(annotation.created)],
    ];
    byId('details-title').textContent = nameOf(annotation, this.bench);
    byId('facts').replaceChildren(
      ...facts
        .filter(([, value]) => value !== null)
        .flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]),
    );
  }

  private showActions(annotation: Annotation): void {
    const isBusy = this.bench.refines.since(annotation.id) !== undefined;
    const can = this.bench.canRefine(annotation);
    const problem = this.bench.drafts.problemOf(annotation.id);
    byId('unsaved').hidden = !problem;
    byId('unsaved-why').textContent = problem ? `Not saved: ${problem.detail || problem.title}` : '';
    byId('copy-link').hidden = annotation.id < 0;
    byId('cancel-refine').hidden = !isBusy;
    this.refine.hidden = !can;
    byId('correct').hidden = !can;
    this.refine.setAttribute('aria-busy', String(isBusy));
    this.refine.setAttribute('aria-disabled', String(isBusy));
    byId('keep-points-row').hidden = !can;
    const count = this.bench.prompts().length;
    const what = count === 0 ? 'only the box' : count === 1 ? 'the box and 1 point' : `the box and ${count} points`;
    byId('prompt-note').textContent = can ? `The model will use ${what}.` : '';
  }

  private showScore(annotation: Annotation): void {
    const refinement = this.bench.refinements.get(annotation.id);
    byId('score').hidden = !refinement;
    this.compareButton.hidden = !refinement;
    if (!refinement) {
      if (this.isComparing) this.compare(false);
      return;
    }
    const doubts = doubtsOf(refinement);
    byId('score').classList.toggle('low', isDoubtful(refinement));
    const confidence = confidenceOf(refinement);
    byId('score-value').textContent = confidence.toFixed(2);
    byId('score-bar').style.width = `${Math.min(1, Math.max(0, confidence)) * 100}%`;
    byId('score-note').textContent = refinement.model ? `Outlined by the ${refinement.model.name} model` : 'Outlined from your shape and clicks';
    byId('doubts').replaceChildren(...doubts.map((doubt) => el('li', {}, doubt)));
  }

  private async copyLink(): Promise<void> {
    try {
      await navigator.clipboard.writeText(location.href);
      byId('copy-link').textContent = 'Copied';
    } catch {
      byId('copy-link').textContent = 'Not allowed';
    }
    setTimeout(() => (byId('copy-link').textContent = 'Copy link'), 2000);
  }
}

