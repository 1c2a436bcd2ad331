/** The objects that are being outlined by clicks. A shape that is drawn becomes one; nothing of it is written until it is accepted. */

import type { Geometry } from 'ol/geom';

import { Accepting } from './accepting';
import { asProblem, Problem } from './api';
import { Asking } from './asking';
import { isArea, writeLocation } from './geometry';
import { kept, keep } from './preview-store';
import { begun, currentOf, isAnswered, passed, type Preview } from './queue';
import * as sessions from './session';
import type { Origin, Session } from './session';
import { sound } from './sound';
import type { Workbench } from './workbench';

export class Previews {
  /** What a plain click marks: the object, or what is not of it. */
  label: 0 | 1 = 1;
  /** When the newest prompts were given, for whoever measures. */
  askedAt = 0;
  readonly accepting: Accepting;
  private readonly asking: Asking;
  private queue: Preview[] = [];
  private discarded: Preview | null = null;
  private readonly reopened = new WeakMap<Session, Preview>();
  private last = 0;

  constructor(private readonly bench: Workbench) {
    this.asking = new Asking(bench.api);
    this.accepting = new Accepting(bench, this);
    this.restore();
    bench.on('slide', () => this.askAll());
    bench.on('user', () => this.askAll());
    bench.on('change', () => this.keep());
  }

  /** Those of the slide and of whoever is working, oldest first. */
  get shown(): Preview[] {
    const { image, user } = this.bench;
    return this.queue.filter(({ session }) => session.image === image?.id && session.user === user?.id);
  }

  get current(): Preview | null {
    return currentOf(this.shown);
  }

  /** Begin with a shape that was drawn; what is open is accepted by that, unless it is doubtful. Tells whether the shape has an area. */
  draw(drawn: Geometry, label: string): boolean {
    const geometry = sound(drawn);
    const { image, user } = this.bench;
    if (!geometry || !isArea(geometry) || !image) return false;
    this.bench.selected = null;
    this.bench.seeing.hide(false);
    this.open({ image: image.id, user: user.id, annotation: null, shape: writeLocation(geometry), label }, { terms: this.bench.ontology.ofNew });
    return true;
  }

  /** Correct the selected annotation by clicks: go on from its first box, and from its clicks if it still looks as they made it. */
  correct(): void {
    const { selected, image, user } = this.bench;
    if (!selected || !image || !this.bench.canRefine(selected) || this.shown.some(({ session }) => session.annotation === selected.id)) return;
    if (selected.id < 0) return this.bench.emit('told', 'info', 'Still being saved', 'Try again in a moment.');
    const origin = { image: image.id, user: user.id, annotation: selected.id, shape: selected.location, label: 'Annotation' };
    this.open(origin, this.accepting.promptsOf(selected));
  }

  /** Show a session again whose outline was undone, or that was discarded. */
  reopen(session: Session): void {
    const { image, user, annotation, shape, label } = session;
    const { past, future, own, terms = [] } = session;
    this.reopened.set(session, this.open({ image, user, annotation, shape, label }, { ...sessions.promptsOfSession(session), past, future, own, terms }));
  }

  /** Its outline was redone. */
  closeAgain(session: Session): void {
    const preview = this.reopened.get(session);
    if (preview) this.close(preview);
  }

  /** What undo and redo would do here, as a person says it. */
  get steps(): { undo: string; redo: string | undefined } {
    const { current, discarded } = this;
    const redo = current ? current.session.future.length > 0 && 'click' : discarded !== null && 'the preview';
    return { undo: current?.session.past.length ? 'click' : 'the preview', redo: redo || undefined };
  }

  click(click: sessions.Click): void {
    this.change((session) => sessions.withClick(session, click));
  }

  remove(index: number): void {
    this.change((session) => sessions.withoutClick(session, index));
  }

  /** Take the last click back; without any, discard the preview. Tells whether one was open. */
  undo(): boolean {
    const { current } = this;
    if (!current) return false;
    const before = sessions.undone(current.session);
    if (before) this.change(() => before);
    else this.discard();
    return true;
  }

  /** Repeat a click, or show the preview again that was discarded last; tells whether there was such a thing. */
  redo(): boolean {
    const { current, discarded } = this;
    const after = current && sessions.redone(current.session);
    if (after) this.change(() => after);
    else if (current || !discarded) return false;
    else this.reopen(discarded.session);
    return true;
  }

  /** Show the next, or the last, of the proposals. */
  propose(step: 1 | -1): void {
    const outline = this.current?.outline;
    const choice = outline && sessions.neighbour(this.current!.session, outline, step);
    if (choice == null) return;
    const location = sessions.proposed(outline!, choice);
    this.change((session) => ({ ...session, proposal: choice }), location ? { ...outline!, location } : outline!);
  }

  setDetail(detail: number | null): void {
    if (this.current && this.current.session.detail !== detail) this.change((session) => ({ ...session, detail }));
  }

  /** Write what is shown. */
  accept(): void {
    const { current } = this;
    if (!current) return;
    if (current.isAsking) return this.bench.emit('told', 'info', 'The outline is not there yet', 'Look at it first, then press Enter.');
    if (current.outline && isAnswered(current)) this.accepting.accept(current);
    else this.bench.emit('told', 'info', 'There is no outline to accept', 'Click on the object, keep your shape (K), or discard it (Esc).');
  }

  /** Store the shape as it was drawn, or leave the annotation as it is. */
  keepShape(): void {
    const { current } = this;
    if (current?.session.annotation === null) this.accepting.keepShape(current);
    else this.discard();
  }

  /** Give the preview up; tells whether there was one. */
  discard(): boolean {
    const { current } = this;
    if (!current) return false;
    this.close(current);
    this.discarded = current;
    this.bench.emit('told', 'info', 'Preview discarded', 'Shift Z brings it back.');
    return true;
  }

  /** Ask again, after a problem. */
  again(preview: Preview): void {
    if (this.queue.includes(preview)) this.update(preview);
  }

  close(preview: Preview): void {
    this.asking.stop(preview.session.key);
    this.queue = this.queue.filter((each) => each !== preview);
    this.label = 1;
    this.settle();
    this.bench.emit('change');
  }

  /** Show what has changed, and go on with those that wait. */
  settle(): void {
    passed(this.shown).forEach((each) => this.accepting.accept(each));
    this.keep();
    this.bench.emit('preview');
  }

  private open(origin: Origin, prompts: Partial<Session> = {}): Preview {
    this.discarded = null;
    this.label = 1;
    const preview = begun(sessions.opened(++this.last, origin, prompts));
    this.queue.push(preview);
    this.update(preview);
    this.bench.emit('change');
    return preview;
  }

  /** Change the prompts of the current preview, and ask anew. `outline` is shown meanwhile, if it is known. */
  private change(how: (session: Session) => Session, outline?: sessions.Outline): void {
    const { current } = this;
    if (!current) return;
    current.session = how(current.session);
    if (outline) current.outline = outline;
    this.update(current);
  }

  private update(preview: Preview): void {
    this.askedAt = performance.now();
    void this.ask(preview);
    this.settle();
  }

  private async ask(preview: Preview): Promise<void> {
    const { session } = preview;
    preview.isAsking = true;
    preview.problem = null;
    try {
      const answer = await this.asking.ask(session, this.usesPoints(session));
      if (!answer || !this.queue.includes(preview)) return; // of older prompts
      preview.outline = answer.outline;
      if (answer.outline && session.proposal === null) preview.session = { ...session, own: answer.outline.proposal };
    } catch (error) {
      const problem = asProblem(error);
      preview.problem = problem;
      this.failed(preview, problem);
    }
    preview.isAsking = false;
    this.settle();
  }

  private failed(preview: Preview, { title, detail, status, retryAfterS }: Problem): void {
    const kept = preview.session.annotation === null ? 'Your shape is still on the slide.' : 'The annotation is as it was.';
    this.bench.emit('failed', new Problem(title, `${detail} ${kept}`.trim(), status, retryAfterS), () => this.again(preview));
  }

  private usesPoints({ annotation }: Session): boolean {
    const target = annotation === null ? undefined : this.bench.annotations.get(annotation);
    return target !== undefined && this.bench.prompts(target).length > 0;
  }

  private askAll(): void {
    this.accepting.dropStored();
    this.shown.forEach((each) => void this.ask(each));
    this.settle();
  }

  private keep(): void {
    const open = this.queue.filter((each) => !each.isAccepting).map(({ session }) => ({ session, sent: null }));
    keep({ open: [...this.accepting.underway(), ...open], prompts: this.accepting.remembered() });
  }

  private restore(): void {
    const { open, prompts } = kept();
    this.queue = open.map(({ session }) => begun({ ...session, key: ++this.last }));
    this.accepting.restore(open, prompts, this.queue);
  }
}
