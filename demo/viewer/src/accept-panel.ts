/** The card of proposals that are being accepted: how far it is, and what to do where it has stopped. */

import { count, isFinished } from './accept-batch';
import { byId } from './dom';
import { sentences } from './words';
import type { Workbench } from './workbench';

export function acceptPanel(bench: Workbench): void {
  const { accepts } = bench;
  byId('batch-stop').addEventListener('click', () => accepts.stop());
  byId('batch-go-on').addEventListener('click', () => void accepts.goOn());
  byId('batch-leave').addEventListener('click', () => void accepts.leave());

  function show(): void {
    const { current, isRunning, problem } = accepts;
    byId('batch').hidden = current === null || isFinished(current);
    if (!current) return;
    const [stored, refused, all] = [count(current, 'stored'), count(current, 'refused'), current.items.length];
    byId('batch-count').textContent = `${stored} of ${all}`;
    const bar = byId<HTMLProgressElement>('batch-progress');
    [bar.max, bar.value] = [all, stored + refused];
    byId('batch').classList.toggle('failed', problem !== null);
    const text = problem
      ? sentences(problem.title, problem.detail, `${all - stored - refused} are left.`)
      : isRunning ? current.label ? 'Storing the annotations of the file…' : 'Storing the proposals as annotations…' : 'Stopped. What is stored stays.';
    if (byId('batch-said').textContent !== text) byId('batch-said').textContent = text;
    byId('batch-stop').hidden = !isRunning;
    byId('batch-go-on').hidden = byId('batch-leave').hidden = isRunning;
  }
  bench.on('batch', show);
}
