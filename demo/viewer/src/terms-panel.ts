/** The choices of terms: the one of new shapes, and that of the selected annotation. */

import { byId, el } from './dom';
import { colourOf } from './terms';
import type { Workbench } from './workbench';

export function termsPanel(bench: Workbench): void {
  const { ontology: terms } = bench;
  const ofNew = byId<HTMLSelectElement>('term-of-new');
  const ofSelected = byId<HTMLSelectElement>('term-of-selected');

  function fill(select: HTMLSelectElement, more: [value: string, text: string][] = []): void {
    const choices: [string, string][] = [['', 'No term'], ...more, ...terms.all.map(({ id, name }): [string, string] => [String(id), name])];
    const text = JSON.stringify(choices);
    if (select.dataset.choices === text) return; // or an open list would close
    select.dataset.choices = text;
    select.replaceChildren(...choices.map(([value, name]) => el('option', { value }, name)));
  }

  function colour(select: HTMLSelectElement): void {
    const found = bench.terms.get(Number(select.value.split(' ')[0] || -1));
    const swatch = select.parentElement!.querySelector<HTMLElement>('.swatch')!;
    swatch.style.background = found ? colourOf(found) : '';
  }

  function show(): void {
    const { selected } = bench;
    byId('term-row').hidden = terms.all.length === 0;
    fill(ofNew);
    ofNew.value = terms.chosen === null ? '' : String(terms.chosen);
    colour(ofNew);
    byId('term-of-selected-row').hidden = !selected || terms.all.length === 0;
    if (!selected) return;
    const own = selected.term.join(' ');
    fill(ofSelected, selected.term.length > 1 ? [[own, terms.namesOf(selected.term)]] : []);
    ofSelected.value = own;
    ofSelected.disabled = selected.id < 0;
    colour(ofSelected);
  }

  ofNew.addEventListener('change', () => {
    terms.choose(ofNew.value ? Number(ofNew.value) : null);
    leave(ofNew);
  });
  ofSelected.addEventListener('change', () => {
    const [value, { selected }] = [ofSelected.value, bench];
    if (selected && !value.includes(' ')) void terms.change(selected.id, value ? Number(value) : null);
    leave(ofSelected);
  });
  bench.on('change', show);
}

/** Whoever chose with the mouse goes on with other keys. */
function leave(select: HTMLSelectElement): void {
  if (!select.matches(':focus-visible')) select.blur();
}
