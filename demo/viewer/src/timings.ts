/** The panel of steps, folded away until somebody wants it: expected progress while a refine runs, measured times afterwards. */

import { byId, el } from './dom';
import { durationText, expectedStep, STEPS, type Step, stepNames } from './steps';
import type { Workbench } from './workbench';

const TICK_MS = 60;
/** Whether the steps are unfolded, as this browser left them. */
const UNFOLDED = 'refine.timings';

export function timingsPanel(bench: Workbench): void {
  const rows = new Map<Step, { row: HTMLElement; bar: HTMLElement; time: HTMLElement }>();
  const list = byId('steps');
  for (const step of stepNames) {
    const [bar, time] = [el('span', { class: 'bar' }), el('span', { class: 'time' })];
    const row = el('li', {}, el('span', { class: 'name' }, STEPS[step]), time, el('span', { class: 'track' }, bar));
    rows.set(step, { row, bar, time });
    list.append(row);
  }
  let timer = 0;

  function show(): void {
    const since = bench.selected && bench.refines.since(bench.selected.id);
    window.clearTimeout(timer);
    byId('timings').classList.toggle('running', Boolean(since));
    if (since) {
      showRunning(performance.now() - since);
      timer = window.setTimeout(show, TICK_MS);
    } else {
      showMeasured();
    }
  }

  function showRunning(elapsed: number): void {
    byId('timings').hidden = false;
    const current = stepNames.indexOf(expectedStep(elapsed, bench.timings));
    byId('steps-total').textContent = durationText(elapsed);
    const isLate = elapsed > (bench.timings.total ?? 0);
    const step = STEPS[stepNames[current]!].toLowerCase();
    byId('steps-note').textContent = isLate ? 'Refining: taking longer than last time' : `Refining: ${step} (estimated from the last refine)`;
    stepNames.forEach((step, i) => {
      const { row, bar, time } = rows.get(step)!;
      row.dataset.state = i < current ? 'done' : i === current ? 'now' : 'next';
      bar.style.width = i < current ? '100%' : '0';
      time.textContent = '';
    });
  }

  function showMeasured(): void {
    const own = bench.selected && bench.refinements.get(bench.selected.id)?.timings_ms;
    const measured = own ?? bench.timings;
    byId('timings').hidden = measured.total === undefined;
    const longest = Math.max(...stepNames.map((step) => measured[step] ?? 0), 1);
    byId('steps-total').textContent = durationText(measured.total ?? 0);
    byId('steps-note').textContent = own ? 'Measured for this outline' : 'Measured for the last refine';
    for (const step of stepNames) {
      const { row, bar, time } = rows.get(step)!;
      delete row.dataset.state;
      bar.style.width = `${Math.max(1.5, ((measured[step] ?? 0) / longest) * 100)}%`;
      time.textContent = durationText(measured[step] ?? 0);
    }
  }

  const fold = byId<HTMLDetailsElement>('timings-fold');
  fold.open = localStorage.getItem(UNFOLDED) === 'true';
  fold.addEventListener('toggle', () => localStorage.setItem(UNFOLDED, String(fold.open)));
  bench.on('change', show);
}
