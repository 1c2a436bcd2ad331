/** Accepts proposals: runs batches, keeps them over a reload, and makes each one deed that can be undone. */

import { type Batch, count, isFinished, type Item, itemOf, type Made, run } from './accept-batch';
import { BatchStore } from './accept-store';
import { stepMade } from './accept-undo';
import { Problem } from './api';
import { writeLocation } from './geometry';
import type { Direction, Entry } from './history';
import type { Proposal } from './proposals-wire';
import type { Annotation } from './types';
import { batchEnd, batchStep } from './accept-words';
import type { Workbench } from './workbench';

/** The views follow this often; each time they look at all annotations. */
const SHOWN_EVERY_MS = 250;

export class Accepts {
  /** Of whoever is working, on this slide: the batch that runs, or that has stopped before its end. */
  current: Batch | null = null;
  problem: Problem | null = null;
  private abort: AbortController | null = null;
  private running: Promise<void> = Promise.resolve();
  private isDue = false;
  private readonly store = new BatchStore();

  constructor(private readonly bench: Workbench) {
    bench.on('slide', () => void this.restore());
    bench.on('user', () => void this.restore());
  }

  get isRunning(): boolean {
    return this.abort !== null;
  }

  /** Begin to store proposals as annotations with some terms. */
  accept(proposals: readonly Proposal[], terms: number[]): Promise<void> {
    const items = proposals.map(({ shape, confidence, isDoubtful }) => itemOf(writeLocation(shape), confidence, isDoubtful));
    return this.begin(items, terms);
  }

  /** Begin to store items; the label names the deed where it is not an accept. */
  async begin(items: Item[], terms: number[], label?: string): Promise<void> {
    const { image, user, annotations } = this.bench;
    if (!image || !items.length || this.current) return;
    const after = Math.max(0, ...annotations.keys());
    this.current = { key: crypto.randomUUID(), image: image.id, user: user.id, terms, ...(label && { label }), after, items };
    this.bench.emit('batch');
    await this.store.keep(this.current, items.map((_, at) => at));
    await this.goOn();
  }

  /** Run the batch, on from where it is. */
  async goOn(): Promise<void> {
    if (this.current && !this.abort) await (this.running = this.runAll(this.current));
  }

  /** Stop, and wait until nothing is on its way: somebody else will work here. */
  async halt(): Promise<void> {
    this.stop();
    await this.running;
    this.current = null;
  }

  /** Run a batch to its end, unless another tab does. */
  private async runAll(batch: Batch): Promise<void> {
    const abort = (this.abort = new AbortController());
    this.problem = null;
    this.bench.emit('batch');
    await navigator.locks.request(`batch ${batch.key}`, { ifAvailable: true }, async (lock) => {
      this.problem = lock ? await this.run(batch, abort.signal) : new Problem('Another tab is storing these', 'Look there, or close it.');
    });
    this.abort = null;
    this.bench.emit('change');
    if (this.problem && isFinished(batch)) this.bench.emit('failed', this.problem);
    if (isFinished(batch)) await this.finish(batch);
    this.bench.emit('batch');
  }

  /** Stop after what is on its way now. */
  stop(): void {
    this.abort?.abort();
  }

  /** Leave what is not stored; what is stored stays, and can be undone. */
  async leave(): Promise<void> {
    if (this.current && !this.abort) await this.finish(this.current);
    this.bench.emit('batch');
  }

  /** Undo or redo a whole batch; tells what was left. */
  async step(entry: Entry, direction: Direction): Promise<void> {
    const { bench } = this;
    const outcome = await stepMade(bench.api, entry.made!, direction);
    const part = (made: Made[]): Entry => ({ ...entry, commands: made.map(({ id }) => id), made });
    bench.undos.history.divide(entry, direction, part(outcome.left), part(outcome.done));
    await bench.reload();
    if (outcome.error) throw batchStep.failed(outcome, direction);
    bench.emit('told', ...batchStep.told(outcome, direction));
  }

  private async run(batch: Batch, signal: AbortSignal): Promise<Problem | null> {
    const { api } = this.bench;
    const keep = (of: Batch, changed: readonly number[]): Promise<void> => this.store.keep(of, changed);
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    return run(batch, { api, keep, pause, stored: (annotation, item) => this.stored(batch, annotation, item) }, signal);
  }

  private stored({ user, label }: Batch, annotation: Annotation, item: Item): void {
    const { bench } = this;
    if (user !== bench.user.id) return;
    bench.put(annotation);
    if (!label) bench.review.note(annotation, item);
    this.showSoon();
  }

  private showSoon(): void {
    if (this.isDue) return;
    this.isDue = true;
    setTimeout(() => {
      this.isDue = false;
      this.bench.emit('change');
      this.bench.emit('batch');
    }, SHOWN_EVERY_MS);
  }

  private async finish(batch: Batch): Promise<void> {
    const { bench } = this;
    const made = batch.items.flatMap((each) => each.made ?? []);
    if (this.current === batch) this.current = null;
    this.problem = null;
    await this.store.forget(batch.key);
    if (batch.user !== bench.user.id) return;
    const label = batch.label ?? `${made.length} proposals accepted`;
    bench.undos.history.push({ commands: made.map(({ id }) => id), label, annotation: made[0]?.id ?? 0, made });
    bench.emit('change');
    bench.emit('told', ...batchEnd(made.length, batch.items.filter((each) => each.state === 'refused')));
  }

  /** Find a batch that was not finished when the page was left. */
  private async restore(): Promise<void> {
    const { image, user } = this.bench;
    if (this.abort || !image) return;
    const all = await this.store.all();
    if (this.abort || image !== this.bench.image || user !== this.bench.user) return;
    this.current = all.find((each) => each.image === image.id && each.user === user.id) ?? null;
    this.problem = this.current && unfinished(this.current);
    this.bench.emit('batch');
  }
}

const unfinished = (batch: Batch): Problem =>
  new Problem(batch.label ? 'Not all were stored' : 'Not all proposals were stored', `${count(batch, 'stored')} of ${batch.items.length} are in Cytomine.`);
