/**
 * The list of all annotations of the slide: another way to select, and the one for keyboards and screen readers.
 *
 * It may have tens of thousands of rows, so only those in sight are made; each says which of how many it is.
 */

import { byId, el } from './dom';
import { areaMeasure, areaOf, measureText, readLocation } from './geometry';
import { nameOf } from './panel';
import { rowAfter, rowsInSight, scrolledTo } from './rows';
import type { SlideMap } from './slidemap';
import type { Annotation } from './types';
import type { Workbench } from './workbench';

/** As style.css has it. */
const ROW_PX = 33;

export class AnnotationList {
  private readonly list = byId('annotations');
  private all: Annotation[] = [];
  /** Rows that are there, by annotation, with what they were made of. */
  private readonly made = new Map<number, { row: HTMLElement; of: string }>();
  private revealed: number | null = null;

  constructor(
    private readonly bench: Workbench,
    private readonly slides: SlideMap,
  ) {
    this.list.addEventListener('click', (event) => {
      const row = (event.target as Element).closest<HTMLElement>('[role=option]');
      if (row) this.choose(Number(row.dataset.annotation));
    });
    this.list.addEventListener('keydown', (event) => this.walk(event));
    this.list.addEventListener('scroll', () => this.lay(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(this.list);
    bench.on('change', () => this.show());
  }

  private choose(id: number): void {
    this.bench.select(id);
    const selected = this.bench.annotations.get(id);
    if (selected) this.slides.fit(readLocation(selected.location).getExtent());
  }

  private walk(event: KeyboardEvent): void {
    const page = Math.floor(this.list.clientHeight / ROW_PX) - 1;
    const next = rowAfter(event.key, this.place(), this.all.length, page);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(this.all[next]!.id);
  }

  /** Of the selected annotation; -1 without one. */
  private place(): number {
    const { selected } = this.bench;
    return selected ? this.all.findIndex((each) => each.id === selected.id) : -1;
  }

  private show(): void {
    const { selected, annotations, seeing, drafts } = this.bench;
    this.all = seeing.shown();
    const [some, all] = [this.all.length, annotations.size].map((each) => each.toLocaleString('en'));
    byId('list-count').textContent = some === all ? all! : `${some} of ${all}`;
    this.list.setAttribute('aria-busy', String(drafts.isSaving));
    this.list.style.setProperty('--all', `${this.all.length * ROW_PX}px`);
    const at = this.place();
    if (selected && selected.id !== this.revealed && at >= 0) this.reveal(at);
    this.revealed = selected?.id ?? null;
    this.lay();
  }

  /** What is chosen stays in sight when the details above take more room. */
  private resized(): void {
    const at = this.place();
    if (at >= 0) this.reveal(at);
    this.lay();
  }

  /** Scroll the list alone, never the panel around it. */
  private reveal(at: number): void {
    this.list.scrollTop = scrolledTo(at, this.list.scrollTop, this.list.clientHeight, ROW_PX);
  }

  /** Make the rows in sight. Those that are there stay the same elements, or a click that began on one would be lost. */
  private lay(): void {
    const { scrollTop, clientHeight } = this.list;
    const [at, { selected }] = [this.place(), this.bench];
    const places = rowsInSight(scrollTop, clientHeight, ROW_PX, this.all.length, at);
    const rows = places.map((place) => this.row(place));
    const wanted = new Set(rows);
    for (const [id, { row }] of this.made) {
      if (wanted.has(row)) continue;
      row.remove();
      this.made.delete(id);
    }
    rows.forEach((row, i) => {
      if (this.list.children[i] !== row) this.list.insertBefore(row, this.list.children[i] ?? null);
    });
    if (selected && at >= 0) this.list.setAttribute('aria-activedescendant', `annotation-${selected.id}`);
    else this.list.removeAttribute('aria-activedescendant');
  }

  private row(place: number): HTMLElement {
    const annotation = this.all[place]!;
    const { row } = this.rowOf(annotation);
    row.style.top = `${place * ROW_PX}px`;
    row.setAttribute('aria-posinset', String(place + 1));
    row.setAttribute('aria-setsize', String(this.all.length));
    row.setAttribute('aria-selected', String(annotation.id === this.bench.selected?.id));
    return row;
  }

  private rowOf(annotation: Annotation): { row: HTMLElement; of: string } {
    const { ontology, users } = this.bench;
    const of = [nameOf(annotation, this.bench), annotation.location, ontology.namesOf(annotation.term), users.get(annotation.user)].join('|');
    const there = this.made.get(annotation.id);
    if (there?.of === of) return there;
    there?.row.remove();
    const fresh = { row: this.option(annotation), of };
    this.made.set(annotation.id, fresh);
    return fresh;
  }

  private option(annotation: Annotation): HTMLElement {
    const { ontology, users, image } = this.bench;
    const area = areaOf(readLocation(annotation.location));
    const terms = ontology.namesOf(annotation.term);
    const row = el(
      'li',
      { role: 'option', id: `annotation-${annotation.id}`, 'data-annotation': String(annotation.id) },
      el('span', { class: 'swatch', 'aria-hidden': 'true' }),
      el('span', { class: 'what' }, nameOf(annotation, this.bench), terms && el('span', { class: 'term-name' }, ` ${terms}`)),
      el('span', { class: 'size' }, area ? measureText(areaMeasure(area, image?.physicalSizeX ?? null)) : ''),
      el('span', { class: 'who' }, users.get(annotation.user) ?? ''),
    );
    if (annotation.term.length) row.querySelector<HTMLElement>('.swatch')!.style.background = ontology.colourOf(annotation);
    return row;
  }
}
