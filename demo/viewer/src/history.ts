/** What can be taken back and done again: the numbers of Core's commands, newest last. */

import type { Refinement } from './types';

export interface Entry {
  command: number;
  /** What was done, as a person says it: "Rectangle drawn". */
  label: string;
  /** What the service said, if the command wrote a refined outline. */
  refinement?: Refinement;
}

export type Direction = 'undo' | 'redo';

export class History {
  private readonly stacks: Record<Direction, Entry[]> = { undo: [], redo: [] };

  /** Something new was done: whatever was taken back before cannot be done again. */
  push(entry: Entry): void {
    this.stacks.undo.push(entry);
    this.stacks.redo = [];
  }

  next(direction: Direction): Entry | undefined {
    return this.stacks[direction].at(-1);
  }

  /** Ask Core by `send` to take the newest entry back, or to do it again; if that fails, nothing has changed here. */
  async step<T>(direction: Direction, send: (entry: Entry) => Promise<T>): Promise<{ entry: Entry; answer: T } | null> {
    const entry = this.next(direction);
    if (!entry) return null;
    const answer = await send(entry);
    const at = this.stacks[direction].lastIndexOf(entry);
    if (at >= 0) this.stacks[direction].splice(at, 1);
    this.stacks[direction === 'undo' ? 'redo' : 'undo'].push(entry);
    return { entry, answer };
  }

  clear(): void {
    this.stacks.undo = [];
    this.stacks.redo = [];
  }
}
