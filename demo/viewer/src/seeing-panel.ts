/** The controls of what is seen: filters, opacity, and the button that hides all annotations. */

import { byId, el, icon, icons } from './dom';
import { type Look, STATES, type State, USUAL } from './sight';
import type { Workbench } from './workbench';

export function seeingPanel(bench: Workbench): void {
  const { seeing, ontology } = bench;
  const term = byId<HTMLSelectElement>('filter-term');
  const state = byId<HTMLSelectElement>('filter-state');
  const sliders: [HTMLInputElement, keyof Look][] = [[byId('look-fill'), 'fill'], [byId('look-strength'), 'strength']];

  state.append(el('option', { value: '' }, 'Any state'), ...Object.entries(STATES).map(([value, text]) => el('option', { value }, text)));

  function fillTerms(): void {
    const choices: [string, string][] = [['', 'Any term'], ['none', 'No term'], ...ontology.all.map(({ id, name }): [string, string] => [String(id), name])];
    const text = JSON.stringify(choices);
    if (term.dataset.choices === text) return;
    term.dataset.choices = text;
    term.replaceChildren(...choices.map(([value, name]) => el('option', { value }, name)));
  }

  function show(): void {
    fillTerms();
    const { filter, look, isHidden, isFiltering } = seeing;
    term.value = filter.term === null ? '' : String(filter.term);
    state.value = filter.state ?? '';
    byId('show-all').hidden = !isFiltering;
    for (const [slider, name] of sliders) {
      slider.value = String(Math.round(look[name] * 100));
      slider.setAttribute('aria-valuetext', `${slider.value} %`);
    }
    byId('hide-all').setAttribute('aria-pressed', String(isHidden));
    byId('hidden-badge').hidden = !isHidden;
  }

  term.addEventListener('change', () => seeing.choose({ term: readTerm(term.value) }));
  state.addEventListener('change', () => seeing.choose({ state: (state.value || null) as State | null }));
  byId('show-all').addEventListener('click', () => seeing.showAll());
  byId('look-usual').addEventListener('click', () => seeing.paint(USUAL));
  for (const [slider, name] of sliders) slider.addEventListener('input', () => seeing.paint({ [name]: Number(slider.value) / 100 }));
  byId('hide-all').prepend(icon(icons.hide));
  byId('hide-all').addEventListener('click', () => seeing.hide());
  byId('hidden-badge').addEventListener('click', () => seeing.hide(false));
  bench.on('change', show);
}

const readTerm = (value: string): number | 'none' | null => (value === 'none' ? value : value ? Number(value) : null);
