/** What can be undone and redone: the numbers of Core's commands, newest last. */

import type { Made } from './accept-batch';
import type { Session } from './session';
import type { Refinement } from './types';

export interface Entry {
  /** In the order in which they were done; most deeds are one command, a refine with points is several. */
  commands: number[];
  /** What was done, as a person says it: "Rectangle drawn". */
  label: string;
  annotation: number;
  /** What the service said, if this was a refine. */
  refinement?: Refinement;
  /** By which clicks the outline came about, if it did. */
  session?: Session;
  /** What was made at once, if this was a batch; then the commands are the numbers of these annotations. */
  made?: Made[];
}

export type Direction = 'undo' | 'redo';

/** How far a step came. */
export interface Step {
  entry: Entry;
  /** Commands that were not reached. */
  left: number;
  /** Why it stopped, if it did. */
  error: unknown;
}

export type Stacks = Record<Direction, Entry[]>;

const opposite: Record<Direction, Direction> = { undo: 'redo', redo: 'undo' };

export class History {
  private stacks: Stacks = { undo: [], redo: [] };

  /** Something new was done: whatever was undone before cannot be redone. */
  push(entry: Entry): void {
    if (entry.commands.length === 0) return;
    this.stacks.undo.push(entry);
    this.stacks.redo = [];
  }

  next(direction: Direction): Entry | undefined {
    return this.stacks[direction].at(-1);
  }

  /**
   * Undo or redo the newest entry, one command after the other by `send`; undo goes backwards. Where that fails, what was
   * reached can be done the other way round, and the rest stays to be tried again.
   */
  async step(direction: Direction, send: (command: number) => Promise<void>): Promise<Step | null> {
    const entry = this.next(direction);
    if (!entry) return null;
    const isUndo = direction === 'undo';
    const [left, reached] = [[...entry.commands], [] as number[]];
    let error: unknown = null;
    while (left.length && !error) {
      const command = isUndo ? left.at(-1)! : left[0]!;
      try {
        await send(command);
        isUndo ? reached.unshift(left.pop()!) : reached.push(left.shift()!);
      } catch (problem) {
        error = problem;
      }
    }
    this.divide(entry, direction, { ...entry, commands: left }, { ...entry, commands: reached });
    return { entry, left: left.length, error };
  }

  get kept(): Stacks {
    return this.stacks;
  }

  /** Take up what was kept, in place of what is there. */
  restore({ undo, redo }: Stacks): void {
    this.stacks = { undo: [...undo], redo: [...redo] };
  }

  /** What a step has left stays to be tried again; what it has reached can be done the other way round. */
  divide(entry: Entry, direction: Direction, left: Entry, reached: Entry): void {
    const stack = this.stacks[direction];
    const at = stack.lastIndexOf(entry);
    if (at < 0) return; // forgotten meanwhile
    stack.splice(at, 1, ...(left.commands.length ? [left] : []));
    if (reached.commands.length) this.stacks[opposite[direction]].push(reached);
  }
}
