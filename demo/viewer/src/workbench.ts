/** What lies on the table: a slide, its annotations, who is working, what can be undone. Views listen to it. */

import type { Geometry } from 'ol/geom';

import { type Api, asProblem, Problem } from './api';
import { Drafts, type Draft } from './drafts';
import { isArea, isSamePlace, promptsOf, readLocation, writeLocation } from './geometry';
import { type Direction, type Entry, History, type Step } from './history';
import { Refines } from './refines';
import { sound } from './sound';
import type { About, Annotation, CommandAnswer, ImageInstance, PimsInfo, Refinement, Term, User } from './types';
import type { Kind } from './words';

export interface Events {
  /** Something of the state changed. */
  change: () => void;
  /** Another slide lies on the table. */
  slide: (image: ImageInstance, info: PimsInfo) => void;
  /** An outline has moved by itself. */
  moved: (id: number, from: Geometry, to: Geometry) => void;
  told: (kind: Kind, title: string, detail?: string) => void;
  failed: (problem: Problem, again?: () => void) => void;
}

export class Workbench {
  about!: About;
  user!: User;
  users = new Map<number, string>();
  terms = new Map<number, Term>();
  image: ImageInstance | null = null;
  /** Those of the slide, drafts among them. */
  annotations = new Map<number, Annotation>();
  selected: Annotation | null = null;
  keepPoints = false;
  /** What the last refine of an annotation said, as long as its outline is that one. */
  readonly refinements = new Map<number, Refinement>();
  /** How long each step took the last time. */
  timings: Record<string, number> = {};
  readonly drafts = new Drafts();
  readonly refines: Refines;
  readonly history = new History();

  private turn: Promise<unknown> = Promise.resolve();
  private readonly listeners: { [E in keyof Events]: Set<Events[E]> } = {
    change: new Set(),
    slide: new Set(),
    moved: new Set(),
    told: new Set(),
    failed: new Set(),
  };

  constructor(readonly api: Api) {
    this.refines = new Refines(this);
  }

  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.listeners[event].add(listener);
  }

  emit<E extends keyof Events>(event: E, ...told: Parameters<Events[E]>): void {
    for (const listener of this.listeners[event]) (listener as (...all: Parameters<Events[E]>) => void)(...told);
  }

  /** Ask the demo who and what there is, and log its first user in. */
  async start(username: string | null): Promise<void> {
    this.about = await this.api.about();
    this.timings = this.about.timings_ms;
    const user = this.about.users.find((each) => each.username === username) ?? this.about.users[0]!;
    await this.enter(user);
    const [users, terms] = await Promise.all([
      this.api.users(this.about.project),
      this.api.terms(this.about.project),
    ]);
    this.users = new Map(users.map((each) => [each.id, each.username]));
    this.terms = new Map(terms.map((each) => [each.id, each]));
  }

  enter(user: User): Promise<void> {
    return this.inTurn(async () => {
      await this.api.enter(user.username);
      this.user = user;
      this.history.clear(); // Core keeps a stack per user
      this.emit('change');
    });
  }

  async open(id: number): Promise<void> {
    const [image, annotations] = await Promise.all([this.api.image(id), this.api.annotations(id)]);
    const info = await this.api.pixels(image.path);
    this.image = image;
    this.selected = null;
    this.lay(annotations);
    this.emit('slide', image, info);
    this.emit('change');
  }

  select(id: number | null): void {
    const annotation = id === null ? null : (this.annotations.get(id) ?? null);
    if (annotation === this.selected) return;
    this.selected = annotation;
    this.prepare(annotation);
    this.emit('change');
  }

  /** The points that will steer the refine of the selected shape. */
  prompts(): Annotation[] {
    if (!this.selected || !this.canRefine(this.selected)) return [];
    const saved = [...this.annotations.values()].filter((each) => !this.drafts.problemOf(each.id));
    return promptsOf(this.selected, saved, this.user.id);
  }

  canRefine = ({ id, location }: Annotation): boolean => isArea(readLocation(location)) && !this.drafts.problemOf(id);

  /** Put a new shape on the slide. It is there, and selected, at once; Core is told in its turn. */
  draw(drawn: Geometry, label: string): void {
    const geometry = sound(drawn);
    if (!geometry) {
      this.emit('told', 'info', 'Nothing was drawn', 'The shape has no area.');
      return;
    }
    const draft = this.drafts.add(this.image!.id, this.user.id, writeLocation(geometry), label);
    this.annotations.set(draft.annotation.id, draft.annotation);
    if (!this.steers(draft.annotation)) this.selected = draft.annotation;
    this.save(draft.annotation.id);
  }

  /** Send a draft to Core, for the first time or once more. */
  save(id: number): void {
    const draft = this.drafts.get(id);
    if (!draft) return;
    draft.problem = null;
    this.emit('change');
    void this.inTurn(() => this.saved(draft));
  }

  discard(id: number): void {
    this.drafts.discard(id);
    this.drop(id);
    this.emit('change');
  }

  async move(id: number, drawn: Geometry): Promise<void> {
    const geometry = sound(drawn);
    const draft = this.drafts.get(id);
    if (draft?.problem && geometry) {
      draft.annotation.location = writeLocation(geometry);
      this.save(id);
      return;
    }
    await this.trying(async () => {
      const number = this.drafts.numberOf(id);
      if (number === null || !geometry) return;
      const answer = await this.api.move(number, writeLocation(geometry));
      this.done(answer, 'Shape modified');
      this.refinements.delete(number);
      this.put(answer.annotation);
      this.prepare(this.selected);
    });
  }

  async remove(): Promise<void> {
    const { selected } = this;
    if (!selected) return;
    if (this.drafts.problemOf(selected.id)) {
      this.discard(selected.id);
      return;
    }
    this.refines.giveUp(selected.id);
    await this.trying(async () => {
      const number = this.drafts.numberOf(selected.id);
      if (number === null) return;
      this.done(await this.api.remove(number), 'Annotation deleted');
      this.drop(number);
      this.emit('told', 'info', 'Annotation deleted', 'Press Z to undo.');
    });
  }

  /** Undo or redo; whoever presses twice in a hurry gets two steps. To undo while the newest deed is a refine gives it up. */
  async step(direction: Direction): Promise<void> {
    await this.trying(async () => {
      if (direction === 'undo' && this.refines.giveUpNewest()) return;
      const gone = new Set<number>();
      const step = await this.history.step(direction, async (command) => {
        (await this.api.command(command, direction)).forEach((id) => gone.add(id));
      });
      if (!step) {
        this.emit('told', 'info', `Nothing to ${direction}`);
        return;
      }
      const shown = this.show(step.entry, gone, direction);
      if (step.error) {
        await shown.catch(asProblem); // the first problem is the one to tell
        throw unfinished(asProblem(step.error), step, direction);
      }
      await shown;
      this.emit('told', 'info', direction === 'undo' ? 'Undone' : 'Redone', step.entry.label);
    });
  }

  async addSlide(file: File, told: (share: number) => void): Promise<void> {
    if (file.size > this.about.max_slide_bytes) {
      const most = Math.floor(this.about.max_slide_bytes / 1024 ** 2).toLocaleString('en');
      throw new Problem('The file is too large', `The demo takes slides of up to ${most} MiB.`, 413);
    }
    const { image } = await this.api.addSlide(file, told);
    await this.open(image);
    this.emit('told', 'success', 'Slide added', file.name);
  }

  /** Read the slide's annotations again: what is shown may not be what is stored. */
  async reload(): Promise<void> {
    const { image } = this;
    if (!image) return;
    const annotations = await this.api.annotations(image.id);
    if (image.id !== this.image?.id) return;
    this.lay(annotations);
    this.emit('change');
  }

  /** Wait for whatever is being written now. */
  settled = (): Promise<void> => this.inTurn(async () => undefined);

  /** Take what Core says of an annotation, unless it is of a slide that has been put away meanwhile. */
  put(annotation: Annotation): void {
    if (annotation.image !== this.image?.id) return;
    this.annotations.set(annotation.id, annotation);
    if (this.selected?.id === annotation.id) this.selected = annotation;
  }

  drop(id: number): void {
    this.annotations.delete(id);
    this.refinements.delete(id);
    if (this.selected?.id === id) this.selected = null;
  }

  private lay(annotations: Annotation[]): void {
    const all = [...annotations, ...this.drafts.on(this.image!.id)];
    for (const { id, location } of all) {
      if (this.refinements.get(id) && this.annotations.get(id)?.location !== location) this.refinements.delete(id);
    }
    this.annotations = new Map(all.map((each) => [each.id, each]));
    this.selected = this.selected && (this.annotations.get(this.selected.id) ?? null);
  }

  private async saved(draft: Draft): Promise<void> {
    const { id, image, location } = draft.annotation;
    if (!this.drafts.get(id)) return; // discarded while it waited
    try {
      const twin = draft.mayBeStored ? await this.twin(draft.annotation) : undefined;
      const answer = twin ? { annotation: twin, command: null } : await this.api.create(image, location);
      this.done(answer, `${draft.label} drawn`);
      this.replace(id, answer.annotation);
      this.prepare(this.selected);
    } catch (error) {
      this.unsaved(draft, asProblem(error));
    }
    this.emit('change');
  }

  private unsaved(draft: Draft, problem: Problem): void {
    const { id } = draft.annotation;
    draft.problem = problem;
    draft.mayBeStored ||= problem.mayHaveWritten;
    this.refines.giveUp(id);
    const kept = `${problem.detail} Your drawing is still on the slide: try again, or discard it.`;
    this.emit('failed', new Problem(problem.title, kept, problem.status, problem.retryAfterS), () => this.save(id));
  }

  /** Look for an annotation that Core has stored, but whose answer was lost. */
  private async twin({ image, location }: Annotation): Promise<Annotation | undefined> {
    const all = await this.api.annotations(image);
    const isTwin = (each: Annotation): boolean =>
      each.user === this.user.id && !this.annotations.has(each.id) && isSamePlace(each.location, location);
    return all.find(isTwin);
  }

  /** Put the stored annotation in the place of its draft. */
  private replace(draft: number, annotation: Annotation): void {
    const isSelected = this.selected?.id === draft;
    this.drafts.stored(draft, annotation.id);
    this.refines.stored(draft, annotation.id);
    this.annotations.delete(draft);
    this.put(annotation);
    if (isSelected) this.selected = this.annotations.get(annotation.id) ?? null;
  }

  /** Whether it is a point in the selected shape: that one stays selected then. */
  private steers(annotation: Annotation): boolean {
    const { selected } = this;
    return selected !== null && this.canRefine(selected) && promptsOf(selected, [annotation], this.user.id).length > 0;
  }

  /** Show what an undo or a redo has changed, as Core has it now, and select what it was about. */
  private async show({ annotation, refinement }: Entry, gone: Set<number>, direction: Direction): Promise<void> {
    const touched = [...(refinement?.points_deleted ?? []), annotation];
    const before = this.annotations.get(annotation);
    gone.forEach((id) => this.drop(id));
    this.refinements.delete(annotation);
    await Promise.all(touched.filter((id) => !gone.has(id)).map((id) => this.reread(id)));
    const after = this.annotations.get(annotation);
    if (!after) return;
    this.selected = after;
    if (refinement && direction === 'redo') this.refinements.set(annotation, refinement);
    if (before) this.emit('moved', annotation, readLocation(before.location), readLocation(after.location));
  }

  private async reread(id: number): Promise<void> {
    try {
      this.put(await this.api.annotation(id));
    } catch (error) {
      if (asProblem(error).status !== 404) throw error;
      this.drop(id);
    }
  }

  private prepare(annotation: Annotation | null): void {
    if (annotation && annotation.id > 0 && this.about.prepares && this.canRefine(annotation)) this.api.prepare(annotation.id);
  }

  private done({ command, annotation }: Pick<CommandAnswer, 'command' | 'annotation'>, label: string): void {
    if (command !== null) this.history.push({ commands: [command], label, annotation: annotation.id });
  }

  /** Write one thing after the other, in the order of a person's deeds. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work);
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** Do something, in its turn, that may fail; either way the views show what is true then. */
  private trying(work: () => Promise<void>): Promise<void> {
    return this.inTurn(async () => {
      try {
        await work();
      } catch (error) {
        this.emit('failed', asProblem(error));
      }
      this.emit('change');
    });
  }
}

/** Say how much of several commands is left. */
function unfinished({ title, detail, status }: Problem, { entry, left }: Step, direction: Direction): Problem {
  if (entry.commands.length === 1) return new Problem(title, detail, status);
  const told = `${left} of ${entry.commands.length} steps could not be ${direction === 'undo' ? 'undone' : 'redone'}.`;
  return new Problem(title, `${detail} ${told} Press ${direction === 'undo' ? 'Z' : 'Shift Z'} to try again.`, status);
}
