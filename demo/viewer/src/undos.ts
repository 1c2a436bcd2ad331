/** Undo and redo of what this person did, as far as this page knows. */

import { asProblem, Problem, type Touched } from './api';
import { readLocation } from './geometry';
import { type Direction, type Entry, History, type Step } from './history';
import type { CommandAnswer } from './types';
import { sentences } from './words';
import type { Workbench } from './workbench';

export class Undos {
  readonly history = new History();

  constructor(private readonly bench: Workbench) {}

  done({ command, annotation }: Pick<CommandAnswer, 'command' | 'annotation'>, label: string): void {
    if (command !== null) this.history.push({ commands: [command], label, annotation: annotation.id });
  }

  /** Undo or redo; whoever presses twice in a hurry gets two steps. To undo while the newest deed is a refine gives it up. */
  async step(direction: Direction): Promise<void> {
    await this.bench.trying(async () => {
      if (direction === 'undo' && this.bench.refines.giveUpNewest()) return;
      const next = this.history.next(direction);
      if (next?.made) return this.bench.accepts.step(next, direction);
      const touched: Touched[] = [];
      const step = await this.history.step(direction, async (command) => {
        touched.push(...(await this.bench.api.command(command, direction)));
      });
      if (!step) {
        this.bench.emit('told', 'info', `Nothing to ${direction}`);
        return;
      }
      const shown = this.show(step.entry, touched, direction);
      if (step.error) {
        await shown.catch(asProblem); // the first problem is the one to tell
        throw unfinished(asProblem(step.error), step, direction);
      }
      await shown;
      this.follow(step.entry, direction);
      this.bench.emit('told', 'info', direction === 'undo' ? 'Undone' : 'Redone', step.entry.label);
    });
  }

  /** What was outlined by clicks is open again after its undo, with its clicks. */
  private follow({ session }: Entry, direction: Direction): void {
    if (!session) return;
    if (direction === 'undo') this.bench.previews.reopen(session);
    else this.bench.previews.closeAgain(session);
  }

  /** Show what an undo or a redo has changed, as Core has it now, and select what it was about. */
  private async show({ annotation, refinement }: Entry, touched: Touched[], direction: Direction): Promise<void> {
    const { bench } = this;
    const before = bench.annotations.get(annotation);
    if (touched.length) await Promise.all(touched.map((each) => this.reread(each)));
    else await bench.reload(); // somebody else has done it, or its answer was lost
    const after = bench.annotations.get(annotation);
    if (after?.location !== before?.location) bench.refinements.delete(annotation);
    if (!after) return;
    bench.selected = after;
    if (refinement && direction === 'redo') bench.refinements.set(annotation, refinement);
    if (before) bench.emit('moved', annotation, readLocation(before.location), readLocation(after.location));
  }

  private async reread({ id, isGone }: Touched): Promise<void> {
    if (isGone) this.bench.drop(id);
    else this.bench.put(await this.bench.api.annotation(id));
  }
}

/** Say how much of several commands is left. */
function unfinished({ title, detail, status }: Problem, { entry, left }: Step, direction: Direction): Problem {
  if (entry.commands.length === 1) return new Problem(title, detail, status);
  const told = `${left} of ${entry.commands.length} steps could not be ${direction === 'undo' ? 'undone' : 'redone'}.`;
  const again = `Press ${direction === 'undo' ? 'Z' : 'Shift Z'} to try again.`;
  return new Problem(title, sentences(detail, told, again), status);
}
