/** Shapes that are drawn and not yet stored. Until Core gives one a number, it has a negative one of its own. */

import { asProblem, Problem } from './api';
import { isSamePlace } from './geometry';
import type { Annotation, CommandAnswer } from './types';
import { sentences } from './words';
import type { Workbench } from './workbench';

export interface Draft {
  annotation: Annotation;
  /** What was drawn, as a person says it: "Rectangle". */
  label: string;
  /** Why Core has not taken it; null while it is being saved. */
  problem: Problem | null;
  /** An earlier try got no answer, so Core may have it. */
  mayBeStored: boolean;
  /** Told what Core has made of it. */
  stored: (answer: Pick<CommandAnswer, 'annotation' | 'command'>) => void;
}

export class Drafts {
  private last = 0;
  private readonly open = new Map<number, Draft>();
  private readonly numbers = new Map<number, number>();

  constructor(private readonly bench: Workbench) {}

  add(image: number, user: number, location: string, label: string, terms: number[], stored?: Draft['stored']): Draft {
    const now = Date.now();
    const more = { created: now, updated: now, term: terms, nbComments: 0 };
    const annotation = { id: --this.last, image, user, location, ...more };
    const remember: Draft['stored'] = (answer) => this.bench.undos.done(answer, `${label} drawn`);
    const draft = { annotation, label, problem: null, mayBeStored: false, stored: stored ?? remember };
    this.open.set(draft.annotation.id, draft);
    return draft;
  }

  /** Why a shape could not be saved; null if it is stored, or on its way. */
  problemOf(id: number): Problem | null {
    return this.open.get(id)?.problem ?? null;
  }

  /** Give Core's number of a shape; null if it has none. */
  numberOf(id: number): number | null {
    return id > 0 ? id : (this.numbers.get(id) ?? null);
  }

  has = (id: number): boolean => this.open.has(id);

  get isSaving(): boolean {
    return [...this.open.values()].some((draft) => draft.problem === null);
  }

  on(image: number): Annotation[] {
    return [...this.open.values()].map((draft) => draft.annotation).filter((each) => each.image === image);
  }

  /** Send a draft to Core, for the first time or once more. */
  save(id: number): void {
    const draft = this.open.get(id);
    if (!draft) return;
    draft.problem = null;
    this.bench.emit('change');
    void this.bench.inTurn(() => this.saved(draft));
  }

  discard(id: number): void {
    this.open.delete(id);
    this.bench.drop(id);
    this.bench.emit('change');
  }

  /** Change a draft that Core has not taken, and send it again; tells whether it is one. */
  change(id: number, location: string): boolean {
    const draft = this.open.get(id);
    if (!draft?.problem) return false;
    draft.annotation.location = location;
    this.save(id);
    return true;
  }

  private async saved(draft: Draft): Promise<void> {
    const { id, image, location, term } = draft.annotation;
    if (!this.open.get(id)) return; // discarded while it waited
    try {
      const twin = draft.mayBeStored ? await this.twin(draft.annotation) : undefined;
      const answer = twin ? { annotation: twin, command: null } : await this.bench.api.create(image, location, term);
      this.replace(id, { ...answer.annotation, term: answer.annotation.term ?? term });
      draft.stored(answer);
      this.bench.prepare(this.bench.selected);
    } catch (error) {
      this.unsaved(draft, asProblem(error));
    }
    this.bench.emit('change');
  }

  private unsaved(draft: Draft, problem: Problem): void {
    const { id } = draft.annotation;
    draft.problem = problem;
    draft.mayBeStored ||= problem.mayHaveWritten;
    this.bench.refines.giveUp(id);
    const kept = sentences(problem.detail, 'Your drawing is still on the slide: try again, or discard it.');
    this.bench.emit('failed', new Problem(problem.title, kept, problem.status, problem.retryAfterS), () => this.save(id));
  }

  /** Look for an annotation that Core has stored, but whose answer was lost. */
  private async twin({ image, location }: Annotation): Promise<Annotation | undefined> {
    const all = await this.bench.api.annotations(image);
    const isTwin = (each: Annotation): boolean =>
      each.user === this.bench.user.id && !this.bench.annotations.has(each.id) && isSamePlace(each.location, location);
    return all.find(isTwin);
  }

  /** Put the stored annotation in the place of its draft. */
  private replace(draft: number, annotation: Annotation): void {
    const isSelected = this.bench.selected?.id === draft;
    this.open.delete(draft);
    this.numbers.set(draft, annotation.id);
    this.bench.refines.stored(draft, annotation.id);
    this.bench.annotations.delete(draft);
    this.bench.put(annotation);
    if (isSelected) this.bench.selected = this.bench.annotations.get(annotation.id) ?? null;
  }
}
