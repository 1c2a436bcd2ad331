/** The list of all annotations of the slide: another way to select, and the one for keyboards and screen readers. */

import { byId, el } from './dom';
import { areaMeasure, areaOf, measureText, readLocation } from './geometry';
import { nameOf } from './panel';
import type { SlideMap } from './slidemap';
import type { Annotation } from './types';
import type { Workbench } from './workbench';

/** A list of thousands helps nobody; the map has them all. */
const MOST = 300;

export function annotationList(bench: Workbench, slides: SlideMap): void {
  const list = byId('annotations');
  let shown = '';

  function choose(id: number): void {
    bench.select(id);
    const extent = slides.featureOf(id)?.getGeometry()?.getExtent();
    if (extent) slides.fit(extent);
  }

  function option(annotation: Annotation): HTMLElement {
    const area = areaOf(readLocation(annotation.location));
    const owner = bench.users.get(annotation.user) ?? '';
    const size = area ? measureText(areaMeasure(area, bench.image?.physicalSizeX ?? null)) : '';
    return el(
      'li',
      { role: 'option', id: `annotation-${annotation.id}`, 'aria-selected': 'false' },
      el('span', { class: 'what' }, nameOf(annotation, bench)),
      el('span', { class: 'size' }, size),
      el('span', { class: 'who' }, owner),
    );
  }

  function show(): void {
    const all = [...bench.annotations.values()].sort((one, other) => other.id - one.id);
    const key = all.map((each) => `${nameOf(each, bench)} ${each.location.length} ${each.location.slice(0, 60)}`).join('|');
    if (key !== shown) {
      shown = key;
      list.replaceChildren(...all.slice(0, MOST).map(option));
      byId('list-count').textContent = String(all.length);
    }
    list.setAttribute('aria-busy', String(bench.drafts.isSaving));
    const current = bench.selected ? `annotation-${bench.selected.id}` : '';
    for (const each of list.children) each.setAttribute('aria-selected', String(each.id === current));
    if (current) list.setAttribute('aria-activedescendant', current);
    else list.removeAttribute('aria-activedescendant');
    reveal(document.getElementById(current));
  }

  /** Scroll the list alone, never the panel around it. */
  function reveal(row: HTMLElement | null): void {
    if (!row) return;
    const [top, bottom] = [row.offsetTop, row.offsetTop + row.offsetHeight];
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  }

  list.addEventListener('click', (event) => {
    const row = (event.target as Element).closest('[role=option]');
    if (row) choose(Number(row.id.slice('annotation-'.length)));
  });
  list.addEventListener('keydown', (event) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || list.children.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const rows = [...list.children];
    const at = rows.findIndex((row) => row.getAttribute('aria-selected') === 'true');
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))]!;
    choose(Number(next.id.slice('annotation-'.length)));
  });
  bench.on('change', show);
}
