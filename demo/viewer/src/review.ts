/** Reviewing: one annotation after the other, accepted, rejected or corrected; the next follows by itself. */

import type { Item as Accepted } from './accept-batch';
import { asProblem, Problem } from './api';
import { isArea, isSameShape, readLocation } from './geometry';
import { back, currentOf, type Facts, type Item, judged, type List, listOf, reopened, skipped, type Verdict } from './review-list';
import { keepList, keptList } from './review-store';
import type { Annotation, Refinement } from './types';
import { confidenceOf, doubtsOf, isDoubtful } from './words';
import type { Workbench } from './workbench';

export class Review {
  list: List | null = null;
  /** What is known of annotations that were accepted from proposals in this visit. */
  readonly accepted = new Map<number, Facts>();
  /** The outline of the current annotation when its correction by clicks began. */
  private corrects: string | null = null;
  /** Being written: what is seen of it is not the end. */
  private readonly writing = new Set<number>();

  constructor(private readonly bench: Workbench) {
    bench.on('user', () => this.restore());
    bench.on('change', () => this.follow());
    bench.on('preview', () => this.follow());
  }

  get current(): Item | null {
    return this.list && currentOf(this.list);
  }

  /** Remember how sure the service was of what a proposal has become. */
  note({ id, image, location }: Annotation, { confidence, isDoubtful: isDoubted }: Accepted): void {
    this.accepted.set(id, { annotation: id, image, confidence, isDoubtful: isDoubted, doubts: [], before: null, location });
  }

  /** Begin with a list; worst first. */
  async start(title: string, facts: readonly Facts[]): Promise<void> {
    await this.go(listOf(title, facts));
  }

  /** Go to where the list was left. */
  async resume(): Promise<void> {
    if (this.list) await this.go(this.list);
  }

  close(): void {
    this.list = null;
    this.keep();
    this.bench.emit('review');
  }

  accept(): Promise<void> {
    return this.judge('accepted');
  }

  /** Put the outline before a refine back; what has none is deleted. */
  async reject(): Promise<void> {
    const { bench, current: item } = this;
    const annotation = item && bench.annotations.get(item.annotation);
    if (!item || !annotation) return;
    bench.select(item.annotation);
    this.writing.add(item.annotation);
    const written = item.before !== null ? this.putBack(item.annotation, item.before) : bench.remove();
    await this.judge('rejected');
    await written;
    this.writing.delete(item.annotation);
    this.follow();
  }

  /** Leave it for later. */
  async skip(): Promise<void> {
    if (this.list) await this.go(skipped(this.list));
  }

  async back(): Promise<void> {
    if (this.list) await this.go(back(this.list));
  }

  /** Clicks correct the current annotation: what is accepted then is the verdict. */
  correct(): void {
    const annotation = this.current && this.bench.annotations.get(this.current.annotation);
    if (!annotation) return;
    this.bench.select(annotation.id);
    this.bench.previews.correct();
    this.corrects = annotation.location;
  }

  /** What this visit knows of annotations, for a list of them. */
  factsOf({ id, image, location }: Annotation): Facts {
    const refinement = this.bench.refinements.get(id);
    if (refinement) return factsOfRefinement(refinement, image);
    const known = this.accepted.get(id);
    return known ?? { annotation: id, image, confidence: null, isDoubtful: false, doubts: [], before: null, location };
  }

  get refined(): Facts[] {
    const { annotations, refinements } = this.bench;
    return [...annotations.values()].filter(({ id }) => refinements.has(id)).map((each) => this.factsOf(each));
  }

  get areas(): Annotation[] {
    return [...this.bench.annotations.values()].filter(({ id, location }) => id > 0 && isArea(readLocation(location)));
  }

  private async judge(verdict: Verdict): Promise<void> {
    if (this.list && this.current) await this.go(judged(this.list, verdict));
  }

  private async putBack(annotation: number, before: string): Promise<void> {
    const { bench } = this;
    await bench.trying(async () => {
      const answer = await bench.unlessGone(annotation, bench.api.move(annotation, before));
      if (!answer) return;
      bench.undos.done(answer, 'Outline put back');
      bench.refinements.delete(annotation);
      bench.put(answer.annotation);
    });
  }

  /** Show the current item of a list; what is not there any more is passed over. */
  private async go(list: List): Promise<void> {
    this.corrects = null;
    this.list = list;
    this.keep();
    const item = this.current;
    if (item && item.image !== this.bench.image?.id && !(await this.opened(item.image))) return;
    if (this.current !== item) return; // the person has gone on meanwhile
    const annotation = item && this.bench.annotations.get(item.annotation);
    if (item && !annotation) return this.go(judged(list, 'gone'));
    if (item && annotation) this.lay(item, annotation);
    else this.bench.select(null); // a key too many at the end must not mean the last one
    this.bench.emit('review');
    if (annotation) void this.refresh(annotation);
  }

  /** See what has become of an annotation since the slide was opened: somebody else may have changed or deleted it. */
  private async refresh(shown: Annotation): Promise<void> {
    const { bench } = this;
    const now = await bench.unlessGone(shown.id, bench.api.annotation(shown.id)).catch(asProblem);
    if (now instanceof Problem) return; // whatever is done about the annotation will tell
    const isUntouched = bench.annotations.get(shown.id) === shown && !this.writing.has(shown.id) && this.corrects === null;
    if (!now) {
      if (this.list && this.current?.annotation === shown.id) await this.go(judged(this.list, 'gone'));
    } else if (isUntouched && !isSameShape(now.location, shown.location)) {
      bench.refinements.delete(shown.id);
      bench.put({ ...shown, location: now.location });
      bench.emit('told', 'info', 'Somebody has changed this outline', 'It is shown as it is now.');
    } else return;
    bench.emit('change');
  }

  private async opened(image: number): Promise<boolean> {
    try {
      await this.bench.open(image);
      return true;
    } catch (error) {
      this.bench.emit('failed', asProblem(error), () => void (this.list && this.go(this.list)));
      this.bench.emit('review');
      return false;
    }
  }

  /** Select it, with what is needed to compare it with its outline before. */
  private lay(item: Item, annotation: Annotation): void {
    const { refinements } = this.bench;
    const isAsTold = item.before !== null && (!item.location || isSameShape(annotation.location, item.location));
    if (isAsTold && !refinements.has(annotation.id)) refinements.set(annotation.id, refinementOf(item, annotation.location));
    this.bench.selected = null;
    this.bench.select(annotation.id);
  }

  /** Notice that a correction was accepted, and that a rejection was undone or refused. */
  private follow(): void {
    const { list, current, bench } = this;
    if (!list) return;
    if (current && this.corrects !== null && !bench.previews.shown.some(({ session }) => session.annotation === current.annotation)) {
      const now = bench.annotations.get(current.annotation);
      const isNew = now !== undefined && now.location !== this.corrects;
      this.corrects = null;
      if (isNew) return void this.judge('corrected');
    }
    const at = list.items.findIndex((each) => each.verdict === 'rejected' && this.isAsBefore(each));
    if (at >= 0) void this.go(reopened(list, at));
  }

  private isAsBefore({ annotation, before }: Item): boolean {
    const now = this.bench.annotations.get(annotation);
    if (!now || this.writing.has(annotation)) return false;
    return before === null || !isSameShape(now.location, before);
  }

  private keep(): void {
    keepList(this.bench.user.id, this.list);
  }

  private restore(): void {
    this.list = keptList(this.bench.user.id);
    this.corrects = null;
    if (this.bench.image) void this.resume();
    this.bench.emit('review');
  }
}

function factsOfRefinement(refinement: Refinement, image: number): Facts {
  const { annotation_id: annotation, previous_location: before, location } = refinement;
  const [confidence, doubts] = [confidenceOf(refinement), doubtsOf(refinement)];
  return { annotation, image, confidence, isDoubtful: isDoubtful(refinement), doubts, before: refinement.changed ? before : null, location };
}

/** What a report tells, in the form of a refine's answer. */
function refinementOf({ annotation, before, confidence, isDoubtful: doubtful, doubts }: Item, location: string): Refinement {
  return {
    annotation_id: annotation,
    changed: true,
    location,
    previous_location: before!,
    score: confidence ?? 0,
    ...(confidence !== null && { confidence }),
    doubts,
    doubtful,
    points_used: [],
    points_deleted: [],
    points_not_deleted: [],
    command: null,
    timings_ms: {},
  };
}
