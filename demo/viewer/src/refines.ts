/** Refines that are running: asked for, given up, and what came of them. */

import { asProblem, Problem } from './api';
import { readLocation } from './geometry';
import type { Entry } from './history';
import type { Annotation, Refinement, User } from './types';
import { doubtsOf, loadedAgain, sentences, summary } from './words';
import type { Workbench } from './workbench';

/** When to look whether a refine that was given up has written after all, in milliseconds after one another. */
const LOOKS_MS = [0, 400, 1200, 3000];

const CANCELLED = ['info', 'Refine cancelled'] as const;

interface Running {
  since: number;
  abort: AbortController;
  /** The newest thing to undo when this was begun. */
  after: Entry | undefined;
}

export class Refines {
  private readonly running = new Map<number, Running>();

  constructor(private readonly bench: Workbench) {}

  /** Since when an annotation is being refined; undefined if it is not. */
  since = (id: number): number | undefined => this.running.get(id)?.since;

  /** Refine the selected shape. If that, or a point in it, is still being saved, wait for it. */
  async start(): Promise<void> {
    const { bench } = this;
    const target = bench.selected;
    if (!target || !bench.canRefine(target) || this.running.has(target.id)) return;
    const run = { since: performance.now(), abort: new AbortController(), after: bench.undos.history.next('undo') };
    this.running.set(target.id, run);
    bench.emit('change');
    try {
      await bench.settled();
      run.after = bench.undos.history.next('undo');
      const stored = bench.annotations.get(bench.drafts.numberOf(target.id) ?? target.id);
      if (run.abort.signal.aborted) bench.emit('told', ...CANCELLED);
      else if (stored) await this.run(stored, run);
    } finally {
      this.forget(run);
      bench.emit('change');
    }
  }

  giveUp(id: number): void {
    this.running.get(id)?.abort.abort();
  }

  /** Give the newest refine up, if nothing was done since it began; tells whether there was one. */
  giveUpNewest(): boolean {
    const newest = [...this.running.values()].at(-1);
    if (!newest || newest.abort.signal.aborted || newest.after !== this.bench.undos.history.next('undo')) return false;
    newest.abort.abort();
    return true;
  }

  /** A draft has become an annotation. */
  stored(draft: number, id: number): void {
    const run = this.running.get(draft);
    if (!run) return;
    this.running.delete(draft);
    this.running.set(id, run);
  }

  private forget(run: Running): void {
    for (const [id, each] of this.running) if (each === run) this.running.delete(id);
  }

  private async run(target: Annotation, run: Running): Promise<void> {
    const { bench } = this;
    const { user } = bench;
    try {
      const { annotation, refinement } = await bench.api.refine(target.id, { keepPoints: bench.keepPoints }, run.abort.signal);
      if (refinement.preview) return this.doubted(target, refinement);
      this.refined(target, annotation, refinement);
      this.remember(annotation.id, refinement, user);
    } catch (error) {
      const problem = asProblem(error);
      if (run.abort.signal.aborted) void this.afterGivingUp(target);
      else await this.failed(target, problem);
    }
  }

  /** The service wants this outline to be looked at before it is written. */
  private doubted(target: Annotation, refinement: Refinement): void {
    const { bench } = this;
    bench.emit('told', 'warning', 'Nothing was written yet', sentences(...doubtsOf(refinement)));
    bench.select(target.id);
    bench.previews.correct();
  }

  private refined(target: Annotation, annotation: Annotation, refinement: Refinement): void {
    const { bench } = this;
    refinement.points_deleted.forEach((point) => bench.drop(point));
    bench.put(annotation);
    bench.timings = refinement.timings_ms;
    bench.refinements.set(annotation.id, refinement);
    bench.previews.accepting.remember(annotation, { box: refinement.box ?? null });
    bench.emit('moved', annotation.id, readLocation(target.location), readLocation(annotation.location));
    bench.emit('told', ...summary(refinement));
  }

  private remember(annotation: number, refinement: Refinement, user: User): void {
    const commands = refinement.commands ?? (refinement.command === null ? [] : [refinement.command]);
    if (user === this.bench.user) this.bench.undos.history.push({ commands, label: 'Refined with SAM', annotation, refinement });
  }

  private async failed(target: Annotation, problem: Problem): Promise<void> {
    const { title, status, retryAfterS } = problem;
    const isStale = problem.mayHaveWritten || status === 404 || status === 409;
    const isLoaded = isStale && (await this.reloaded());
    const told = isLoaded && problem.mayHaveWritten ? new Problem(title, loadedAgain(problem), status, retryAfterS) : problem;
    this.bench.emit('failed', told, retryAfterS === null ? undefined : () => this.again(target.id));
  }

  private async reloaded(): Promise<boolean> {
    try {
      await this.bench.reload();
      return true;
    } catch (error) {
      asProblem(error);
      return false;
    }
  }

  private again(id: number): void {
    this.bench.select(id);
    void this.start();
  }

  /** Find out what became of a refine that was given up: the service may have been writing at that very moment. */
  private async afterGivingUp(target: Annotation): Promise<void> {
    const { bench } = this;
    bench.emit('told', ...CANCELLED);
    for (const pause of LOOKS_MS) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (await bench.inTurn(() => this.look(target.id))) return;
    }
  }

  /** Compare an annotation with what Core has; tells whether there is nothing more to look for. */
  private async look(id: number): Promise<boolean> {
    const { bench } = this;
    const shown = bench.annotations.get(id);
    if (!shown || this.running.has(id)) return true;
    const now = await bench.api.annotation(id).catch(() => null);
    if (now === null || now.location === shown.location) return false;
    await this.reloaded();
    bench.emit('told', 'warning', 'Too late to cancel', 'The outline had been written already; it was loaded again.');
    return true;
  }
}
