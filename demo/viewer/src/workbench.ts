/** What lies on the table: a slide, its annotations, who is working, what can be taken back. Views listen to it. */

import type { Geometry } from 'ol/geom';

import { type Api, Problem } from './api';
import { isArea, promptsOf, readLocation, writeLocation } from './geometry';
import { type Direction, History } from './history';
import type { About, Annotation, CommandAnswer, ImageInstance, PimsInfo, Refinement, Term, User } from './types';

/** Below this the model doubts its own outline: objects of the drawn slide score 0.7 and more, empty glass less. */
export const LOW_SCORE = 0.7;

export type Kind = 'success' | 'warning' | 'info';

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
  annotations = new Map<number, Annotation>();
  selected: Annotation | null = null;
  keepPoints = false;
  /** What the last refine of an annotation said, as long as its outline is that one. */
  readonly refinements = new Map<number, Refinement>();
  /** Annotations that are being refined, and since when. */
  readonly refining = new Map<number, number>();
  /** How long each step took the last time. */
  timings: Record<string, number> = {};

  private readonly history = new History();
  private steps = Promise.resolve();
  private readonly listeners: { [E in keyof Events]: Set<Events[E]> } = {
    change: new Set(),
    slide: new Set(),
    moved: new Set(),
    told: new Set(),
    failed: new Set(),
  };

  constructor(readonly api: Api) {}

  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.listeners[event].add(listener);
  }

  private emit<E extends keyof Events>(event: E, ...told: Parameters<Events[E]>): void {
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

  async enter(user: User): Promise<void> {
    await this.api.enter(user.username);
    this.user = user;
    this.history.clear(); // Core keeps a stack per user
    this.emit('change');
  }

  async open(id: number): Promise<void> {
    const [image, annotations] = await Promise.all([this.api.image(id), this.api.annotations(id)]);
    const info = await this.api.pixels(image.path);
    this.image = image;
    this.annotations = new Map(annotations.map((each) => [each.id, each]));
    this.selected = null;
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
    return promptsOf(this.selected, this.annotations.values(), this.user.id);
  }

  canRefine = (annotation: Annotation): boolean => isArea(readLocation(annotation.location));

  next = (direction: Direction) => this.history.next(direction);

  async draw(geometry: Geometry, label: string): Promise<void> {
    await this.trying(async () => {
      const answer = await this.api.create(this.image!.id, writeLocation(geometry));
      this.done(answer, `${label} drawn`);
      this.put(answer.annotation);
      if (!this.annotations.has(answer.annotation.id)) return;
      // A point steers the shape it was put into, so that one stays selected.
      if (label !== 'Point' || !this.selected || !this.prompts().some((each) => each.id === answer.annotation.id)) {
        this.selected = answer.annotation;
      }
      this.prepare(this.selected);
    });
  }

  async move(id: number, geometry: Geometry): Promise<void> {
    await this.trying(async () => {
      const answer = await this.api.move(id, writeLocation(geometry));
      this.done(answer, 'Shape modified');
      this.refinements.delete(id);
      this.put(answer.annotation);
      this.prepare(this.selected);
    });
  }

  async remove(): Promise<void> {
    const { selected } = this;
    if (!selected) return;
    await this.trying(async () => {
      const answer = await this.api.remove(selected.id);
      this.done(answer, 'Annotation deleted');
      this.drop(selected.id);
      this.emit('told', 'info', 'Deleted', 'Z brings it back.');
    });
  }

  async refine(): Promise<void> {
    const [target, user] = [this.selected, this.user];
    if (!target || !this.canRefine(target) || this.refining.has(target.id)) return;
    this.refining.set(target.id, performance.now());
    this.emit('change');
    try {
      const { annotation, refinement } = await this.api.refine(target.id, this.keepPoints);
      this.refined(target, annotation, refinement);
      const { command } = refinement;
      if (command !== null && user === this.user) this.history.push({ command, label: 'Refined with SAM', refinement });
    } catch (error) {
      const problem = asProblem(error);
      this.emit('failed', problem, problem.retryAfterS === null ? undefined : () => this.retry(target.id));
      if (problem.status === 409 || problem.status === 404) await this.reread(target.id);
    } finally {
      this.refining.delete(target.id);
      this.emit('change');
    }
  }

  /** Undo or redo; whoever presses twice in a hurry gets two steps, one after the other. */
  step(direction: Direction): void {
    this.steps = this.steps.then(() => this.stepOnce(direction));
  }

  private async stepOnce(direction: Direction): Promise<void> {
    await this.trying(async () => {
      const done = await this.history.step(direction, (entry) => this.api.command(entry.command, direction));
      if (!done) {
        this.emit('told', 'info', `Nothing to ${direction}`);
        return;
      }
      this.restored(done.answer);
      const { label, refinement } = done.entry;
      if (refinement && direction === 'redo') this.refinements.set(refinement.annotation_id, refinement);
      const gone = refinement?.points_deleted.length && direction === 'undo' ? ', without its points' : '';
      this.emit('told', 'info', direction === 'undo' ? 'Taken back' : 'Done again', `${label}${gone}`);
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

  /** Read one annotation again: somebody else may have changed it, or taken it away. */
  private async reread(id: number): Promise<void> {
    try {
      this.put(await this.api.annotation(id));
    } catch (error) {
      if (asProblem(error).status === 404) this.drop(id);
    }
  }

  private refined(target: Annotation, annotation: Annotation, refinement: Refinement): void {
    this.put(annotation);
    refinement.points_deleted.forEach((point) => this.annotations.delete(point));
    this.timings = refinement.timings_ms;
    this.refinements.set(annotation.id, refinement);
    this.emit('moved', annotation.id, readLocation(target.location), readLocation(annotation.location));
    this.emit('told', ...summary(refinement));
  }

  /** Show what Core has brought back, or taken away again. */
  private restored({ annotation, callback }: CommandAnswer): void {
    const before = this.annotations.get(annotation.id);
    this.refinements.delete(annotation.id);
    if (callback.method.includes('Delete')) {
      this.drop(annotation.id);
      return;
    }
    this.put(annotation);
    if (before) this.emit('moved', annotation.id, readLocation(before.location), readLocation(annotation.location));
  }

  private retry(id: number): void {
    this.select(id);
    void this.refine();
  }

  private prepare(annotation: Annotation | null): void {
    if (annotation && this.about.prepares && this.canRefine(annotation)) this.api.prepare(annotation.id);
  }

  private done(answer: CommandAnswer, label: string): void {
    if (answer.command !== null) this.history.push({ command: answer.command, label });
  }

  /** Take what Core says of an annotation, unless it is of a slide that has been put away meanwhile. */
  private put(annotation: Annotation): void {
    if (annotation.image !== this.image?.id) return;
    this.annotations.set(annotation.id, annotation);
    if (this.selected?.id === annotation.id) this.selected = annotation;
  }

  private drop(id: number): void {
    this.annotations.delete(id);
    this.refinements.delete(id);
    if (this.selected?.id === id) this.selected = null;
  }

  /** Do something that may fail; either way the views show what is true then. */
  private async trying(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.emit('failed', asProblem(error));
    }
    this.emit('change');
  }
}

/** Anything but a problem is a mistake of this program and goes on to the console. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  throw error;
}

function summary(refinement: Refinement): [Kind, string, string] {
  const score = `Confidence ${refinement.score.toFixed(2)}`;
  const count = refinement.points_used.length;
  const used = count === 0 ? '' : count === 1 ? ', 1 point used' : `, ${count} points used`;
  const left = refinement.points_not_deleted.length ? ` ${refinement.points_not_deleted.length} could not be deleted.` : '';
  if (!refinement.changed) return ['info', 'The outline stays as it was', `${score}${used}.`];
  if (refinement.score < LOW_SCORE) {
    return ['warning', 'Refined, but check the outline', `${score} is low${used}.${left} A point inside may help.`];
  }
  return ['success', 'Outline refined', `${score}${used}.${left}`];
}
