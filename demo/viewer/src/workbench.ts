/** What lies on the table: a slide, its annotations, who is working, what can be undone. Views listen to it. */

import type { Geometry } from 'ol/geom';

import { Accepts } from './accepts';
import { type Api, asProblem, Problem } from './api';
import { Drafts } from './drafts';
import { Emitter } from './events';
import { isArea, isSameShape, promptsOf, readLocation, writeLocation } from './geometry';
import { Memory } from './memory';
import { Previews } from './previews';
import { Refines } from './refines';
import { Review } from './review';
import { Seeing } from './seeing';
import { sound } from './sound';
import { Terms } from './terms';
import type { About, Annotation, ImageInstance, Refinement, Term, User } from './types';
import { Undos } from './undos';

export class Workbench extends Emitter {
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
  readonly drafts = new Drafts(this);
  readonly refines = new Refines(this);
  readonly undos = new Undos(this);
  readonly previews: Previews;
  readonly accepts: Accepts;
  readonly review: Review;
  readonly ontology = new Terms(this);
  readonly seeing = new Seeing(this);
  private readonly memory = new Memory(this);

  private turn: Promise<unknown> = Promise.resolve();

  constructor(readonly api: Api) {
    super();
    this.previews = new Previews(this);
    this.accepts = new Accepts(this);
    this.review = new Review(this);
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
    this.ontology.recall();
  }

  enter(user: User): Promise<void> {
    return this.inTurn(async () => {
      await this.accepts.halt();
      await this.api.enter(user.username);
      this.user = user;
      this.memory.recall(user, await this.api.madeAt()); // Core keeps a stack per user
      this.emit('user');
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

  /** The points that will steer the refine of a shape, the selected one as a rule. */
  prompts(target: Annotation | null = this.selected): Annotation[] {
    if (!target || !this.canRefine(target)) return [];
    const saved = [...this.annotations.values()].filter((each) => !this.drafts.problemOf(each.id));
    return promptsOf(target, saved, this.user.id);
  }

  canRefine = ({ id, location }: Annotation): boolean => isArea(readLocation(location)) && !this.drafts.problemOf(id);

  /** Put a new shape on the slide. It is there, and selected, at once; Core is told in its turn. */
  draw(drawn: Geometry, label: string): void {
    const geometry = sound(drawn);
    if (!geometry) {
      this.emit('told', 'info', 'Nothing was drawn', 'The shape has no area.');
      return;
    }
    const draft = this.drafts.add(this.image!.id, this.user.id, writeLocation(geometry), label, []);
    this.annotations.set(draft.annotation.id, draft.annotation);
    this.seeing.hide(false);
    if (!this.steers(draft.annotation)) {
      draft.annotation.term = this.ontology.ofNew; // a point that steers a shape of another term would not count with one
      this.selected = draft.annotation;
    }
    this.drafts.save(draft.annotation.id);
  }

  async move(id: number, drawn: Geometry): Promise<void> {
    const geometry = sound(drawn);
    if (geometry && this.drafts.change(id, writeLocation(geometry))) return;
    await this.trying(async () => {
      const number = this.drafts.numberOf(id);
      if (number === null || !geometry) return;
      const answer = await this.api.move(number, writeLocation(geometry));
      this.undos.done(answer, 'Shape modified');
      this.refinements.delete(number);
      this.put(answer.annotation);
      this.prepare(this.selected);
    });
  }

  async remove(): Promise<void> {
    const { selected } = this;
    if (!selected) return;
    if (this.drafts.problemOf(selected.id)) {
      this.drafts.discard(selected.id);
      return;
    }
    this.refines.giveUp(selected.id);
    await this.trying(async () => {
      const number = this.drafts.numberOf(selected.id);
      if (number === null) return;
      const answer = await this.unlessGone(number, this.api.remove(number));
      if (!answer) return;
      this.undos.done(answer, 'Annotation deleted');
      this.drop(number);
      this.emit('told', 'info', 'Annotation deleted', 'Press Z to undo.');
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

  /** Give Core's answer about an annotation; null if somebody else has deleted it, and then it is taken off the slide. */
  async unlessGone<T>(id: number, answer: Promise<T>): Promise<T | null> {
    try {
      return await answer;
    } catch (error) {
      if (asProblem(error).status !== 404) throw error;
      this.drop(id);
      this.emit('told', 'info', 'The annotation is no longer there', 'Somebody else has deleted it.');
      return null;
    }
  }

  drop(id: number): void {
    this.annotations.delete(id);
    this.refinements.delete(id);
    if (this.selected?.id === id) this.selected = null;
  }

  private lay(annotations: Annotation[]): void {
    const all = [...annotations, ...this.drafts.on(this.image!.id)];
    for (const { id, location } of all) {
      const said = this.refinements.get(id);
      if (said && !this.isOf(said, id, location)) this.refinements.delete(id);
    }
    this.annotations = new Map(all.map((each) => [each.id, each]));
    this.selected = this.selected && (this.annotations.get(this.selected.id) ?? null);
  }

  /** Whether an outline is still the one that a refine made: as it was shown, or, after a reload, as it was told. */
  private isOf(said: Refinement, id: number, location: string): boolean {
    const shown = this.annotations.get(id)?.location ?? said.location;
    return shown === location || isSameShape(shown, location);
  }

  /** Whether it is a point in the selected shape: that one stays selected then. */
  private steers(annotation: Annotation): boolean {
    const { selected } = this;
    return selected !== null && this.canRefine(selected) && promptsOf(selected, [annotation], this.user.id).length > 0;
  }

  /** Let the service look at a shape ahead of the click. */
  prepare(annotation: Annotation | null): void {
    if (annotation && annotation.id > 0 && this.about.prepares && this.canRefine(annotation)) this.api.prepare(annotation.id);
  }

  /** Write one thing after the other, in the order of a person's deeds. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work);
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** Do something, in its turn, that may fail; either way the views show what is true then. */
  trying(work: () => Promise<void>): Promise<void> {
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
