/** Writes what is accepted: a new annotation, or the outline of one that was corrected; and remembers by which prompts. */

import { asProblem, Problem } from './api';
import { isSamePlace, isSameShape, readLocation } from './geometry';
import { boxOf } from './outlines';
import type { Kept, Remembered } from './preview-store';
import type { Previews } from './previews';
import type { Preview } from './queue';
import { type Outline, type Prompts, promptsOfSession, type Session } from './session';
import type { Annotation, CommandAnswer, Refinement } from './types';
import { accepted, loadedAgain } from './words';
import type { Workbench } from './workbench';

export class Accepting {
  private readonly sending = new Map<number, Kept>();
  private readonly memory = new Map<number, Remembered>();
  /** Previews that were on their way to Core when the page was left. */
  private readonly unsure = new Map<Preview, string>();

  constructor(
    private readonly bench: Workbench,
    private readonly previews: Previews,
  ) {}

  accept(preview: Preview): void {
    const { session, outline } = preview;
    if (preview.isAccepting || !outline) return;
    if (session.annotation === null) this.create(preview, outline.location, outline);
    else void this.write(preview, session.annotation, outline);
  }

  /** Store a shape as it was drawn. */
  keepShape(preview: Preview): void {
    this.create(preview, preview.session.shape, null);
  }

  /** What would be lost if the page were left now. */
  underway(): Kept[] {
    for (const draft of this.sending.keys()) if (!this.bench.drafts.has(draft)) this.sending.delete(draft);
    return [...this.sending.values()];
  }

  remembered = (): [number, Remembered][] => [...this.memory];

  restore(kept: Kept[], prompts: [number, Remembered][], queue: Preview[]): void {
    prompts.forEach(([annotation, each]) => this.memory.set(annotation, each));
    kept.forEach(({ sent }, i) => sent !== null && this.unsure.set(queue[i]!, sent));
  }

  /** Core may have stored what was on its way; that is no preview any more. */
  dropStored(): void {
    const own = [...this.bench.annotations.values()].filter((each) => each.user === this.bench.user.id);
    for (const preview of this.previews.shown) {
      const sent = this.unsure.get(preview);
      this.unsure.delete(preview);
      if (sent && own.some(({ location }) => isSamePlace(location, sent))) this.previews.close(preview);
    }
  }

  /** Keep the first box of an annotation, and by what else its outline came about. */
  remember({ id, location }: Annotation, prompts: Partial<Prompts>): void {
    this.memory.set(id, { box: null, clicks: [], proposal: null, detail: null, ...prompts, location });
  }

  /** Its first box, whatever became of it since; its clicks too while its outline is the one that they made. */
  promptsOf({ id, location }: Annotation): Partial<Prompts> {
    const found = this.memory.get(id);
    if (!found) return {};
    return found.location === location ? promptsOfSession(found) : { box: found.box };
  }

  private create(preview: Preview, location: string, outline: Outline | null): void {
    const { bench } = this;
    const { session } = preview;
    const draft = bench.drafts.add(session.image, session.user, location, session.label, session.terms ?? [], (answer) => {
      this.stored(answer, session, outline);
    });
    const { id } = draft.annotation;
    bench.annotations.set(id, draft.annotation);
    this.sending.set(id, { session, sent: location });
    this.previews.close(preview);
    if (!this.previews.current) bench.selected = draft.annotation;
    bench.drafts.save(id);
  }

  private stored({ annotation, command }: Pick<CommandAnswer, 'annotation' | 'command'>, session: Session, outline: Outline | null): void {
    const { bench } = this;
    const entry = { commands: command === null ? [] : [command], annotation: annotation.id, session };
    if (!outline) return bench.undos.history.push({ ...entry, label: `${session.label} drawn` });
    const refinement = asRefinement(annotation, session, outline, command);
    this.done(annotation, session, refinement, entry.commands);
  }

  private async write(preview: Preview, annotation: number, { ticket }: Outline): Promise<void> {
    const { bench } = this;
    const { session } = preview;
    preview.isAccepting = true;
    this.previews.settle();
    await bench.trying(async () => {
      try {
        const answer = await bench.api.refine(annotation, { preview: ticket!, keepPoints: bench.keepPoints });
        const { refinement } = answer;
        refinement.points_deleted.forEach((point) => bench.drop(point));
        bench.put(answer.annotation);
        bench.emit('moved', annotation, readLocation(session.shape), readLocation(answer.annotation.location));
        this.done(answer.annotation, session, refinement, refinement.commands ?? []);
        this.previews.close(preview);
      } catch (error) {
        await this.refused(preview, asProblem(error));
      }
    });
  }

  /** An accept whose answer was lost, or that came twice. */
  private isThere(preview: Preview): void {
    this.previews.close(preview);
    this.bench.emit('told', 'info', 'The outline is stored', 'It was accepted already; this page cannot undo it.');
  }

  private done(annotation: Annotation, session: Session, refinement: Refinement, commands: number[]): void {
    const { bench } = this;
    bench.refinements.set(annotation.id, refinement);
    bench.timings = refinement.timings_ms;
    this.remember(annotation, { ...promptsOfSession(session), box: boxOf(session) });
    bench.undos.history.push({ commands, label: 'Outlined by clicks', annotation: annotation.id, refinement, session });
    bench.emit('told', ...accepted(refinement));
  }

  /** The preview stays; whatever stands in Core now is loaded, and can be previewed again. */
  private async refused(preview: Preview, problem: Problem): Promise<void> {
    const { bench } = this;
    preview.isAccepting = false;
    preview.problem = problem;
    await bench.reload().catch(asProblem);
    const now = bench.annotations.get(preview.session.annotation!);
    if (now && preview.outline && isSameShape(now.location, preview.outline.location)) return this.isThere(preview);
    if (now) preview.session = { ...preview.session, box: boxOf(preview.session), shape: now.location };
    const detail = problem.mayHaveWritten ? loadedAgain(problem) : problem.detail;
    bench.emit('failed', new Problem(problem.title, detail, problem.status, 0), () => this.previews.again(preview), 'Preview again');
    this.previews.settle();
  }
}

/** What is known of an outline that came about without an annotation, in the form of a refine's answer. */
function asRefinement({ id, location }: Annotation, session: Session, outline: Outline, command: number | null): Refinement {
  const { confidence, isCalibrated: calibrated, isDoubtful: doubtful, doubts, box, timings } = outline;
  return {
    annotation_id: id,
    changed: true,
    location,
    previous_location: session.shape,
    score: confidence,
    confidence,
    calibrated,
    doubts,
    doubtful,
    box,
    points_used: [],
    points_deleted: [],
    points_not_deleted: [],
    command,
    timings_ms: timings,
  };
}
