/** Shapes that are drawn and not yet stored. Until Core gives one a number, it has a negative one of its own. */

import type { Problem } from './api';
import type { Annotation } from './types';

export interface Draft {
  annotation: Annotation;
  /** What was drawn, as a person says it: "Rectangle". */
  label: string;
  /** Why Core has not taken it; null while it is being saved. */
  problem: Problem | null;
  /** An earlier try got no answer, so Core may have it. */
  mayBeStored: boolean;
}

export class Drafts {
  private last = 0;
  private readonly open = new Map<number, Draft>();
  private readonly numbers = new Map<number, number>();

  add(image: number, user: number, location: string, label: string): Draft {
    const now = Date.now();
    const more = { created: now, updated: now, term: [], nbComments: 0 };
    const draft = { annotation: { id: --this.last, image, user, location, ...more }, label, problem: null, mayBeStored: false };
    this.open.set(draft.annotation.id, draft);
    return draft;
  }

  get(id: number): Draft | undefined {
    return this.open.get(id);
  }

  /** Why a shape could not be saved; null if it is stored, or on its way. */
  problemOf(id: number): Problem | null {
    return this.open.get(id)?.problem ?? null;
  }

  stored(id: number, number: number): void {
    this.open.delete(id);
    this.numbers.set(id, number);
  }

  discard(id: number): void {
    this.open.delete(id);
  }

  /** Give Core's number of a shape; null if it has none. */
  numberOf(id: number): number | null {
    return id > 0 ? id : (this.numbers.get(id) ?? null);
  }

  get isSaving(): boolean {
    return [...this.open.values()].some((draft) => draft.problem === null);
  }

  on(image: number): Annotation[] {
    return [...this.open.values()].map((draft) => draft.annotation).filter((each) => each.image === image);
  }
}
