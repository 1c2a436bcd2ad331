/** The controls of an open preview; on a phone they lie where the thumb is. */

import { byId, el, icon, icons, panelToTop } from './dom';
import { areaMeasure, areaOf, measureText, readLocation, verticesOf } from './geometry';
import { isAnswered, type Preview } from './queue';
import { placeOf } from './session';
import { previewText } from './words';
import type { Workbench } from './workbench';

/** What the slider offers; at its end the service decides. */
const DETAILS = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, null];

export class PreviewPanel {
  private readonly slider = byId<HTMLInputElement>('detail');
  private readonly marks: [HTMLButtonElement, 0 | 1][] = [[byId('click-object'), 1], [byId('click-background'), 0]];

  constructor(private readonly bench: Workbench) {
    const { previews } = bench;
    const deeds: Record<string, [drawing: string, deed: () => void]> = {
      accept: [icons.accept, () => previews.accept()],
      'discard-preview': [icons.close, () => previews.discard()],
      'keep-shape': [icons.keep, () => previews.keepShape()],
      'ask-again': [icons.redo, () => previews.current && previews.again(previews.current)],
      'undo-click': [icons.undo, () => previews.undo()],
      'next-proposal': [icons.slides, () => previews.propose(1)],
      'click-object': [icons.plus, () => this.mark(1)],
      'click-background': [icons.minus, () => this.mark(0)],
    };
    for (const [id, [drawing, deed]] of Object.entries(deeds)) {
      byId(id).prepend(icon(drawing));
      byId(id).addEventListener('click', (event) => {
        deed();
        if (event.detail) byId('map').focus({ preventScroll: true }); // the next key belongs to the slide
      });
    }
    this.slider.max = String(DETAILS.length - 1);
    this.slider.addEventListener('input', () => previews.setDetail(DETAILS[Number(this.slider.value)] ?? null));
    bench.on('preview', () => this.show());
    bench.on('slide', () => this.show());
    bench.on('user', () => this.show());
  }

  /** Object or background, for a plain click or a tap. */
  mark(label: 0 | 1): void {
    this.bench.previews.label = label;
    this.show();
  }

  swap(): void {
    this.mark(this.bench.previews.label ? 0 : 1);
  }

  /** Fewer or more vertices than now. */
  refineDetail(step: 1 | -1): void {
    const at = DETAILS.indexOf(this.bench.previews.current?.session.detail ?? null);
    const next = DETAILS[at + step];
    if (next !== undefined) this.bench.previews.setDetail(next);
  }

  private show(): void {
    const { current, shown } = this.bench.previews;
    const isNew = !document.body.classList.contains('previewing');
    byId('preview').hidden = current === null;
    document.body.classList.toggle('previewing', current !== null);
    if (!current) return;
    if (isNew) panelToTop();
    this.say(current, shown.filter((each) => each !== current && !each.isAccepting).length);
    this.judge(current);
    this.name(current);
    this.offer(current);
  }

  private say(preview: Preview, waiting: number): void {
    const { outline } = preview;
    const geometry = outline && readLocation(outline.location);
    const microns = this.bench.image?.physicalSizeX ?? null;
    const size = geometry ? measureText(areaMeasure(areaOf(geometry), microns)) : '';
    const text = previewText(preview, size, waiting, !matchMedia('(pointer: coarse)').matches);
    // Said once: a reader would repeat what is written anew
    if (byId('preview-said').textContent !== text) byId('preview-said').textContent = text;
    byId('preview').setAttribute('aria-busy', String(preview.isAsking));
  }

  private name({ session }: Preview): void {
    const { ontology, annotations } = this.bench;
    const ids = session.annotation === null ? (session.terms ?? []) : (annotations.get(session.annotation)?.term ?? []);
    byId('preview-term').hidden = ids.length === 0;
    byId('preview-term').textContent = `Term: ${ontology.namesOf(ids)}`;
  }

  private judge(preview: Preview): void {
    const { outline } = preview;
    byId('preview-score').hidden = !outline;
    byId('preview-doubts').replaceChildren(...(outline?.doubts ?? []).map((doubt) => el('li', {}, doubt)));
    byId('preview').classList.toggle('doubtful', outline?.isDoubtful ?? false);
    if (!outline) return;
    byId('preview-confidence').textContent = outline.confidence.toFixed(2);
    byId('preview-raw').hidden = outline.isCalibrated;
  }

  private offer(preview: Preview): void {
    const { session, outline, problem } = preview;
    const { at, of } = outline ? placeOf(session, outline) : { at: 0, of: 0 };
    const isShown = outline !== null && isAnswered(preview);
    byId('accept').setAttribute('aria-disabled', String(!isShown));
    byId('ask-again').hidden = problem === null;
    byId('keep-shape').hidden = session.annotation !== null;
    byId<HTMLButtonElement>('undo-click').disabled = session.past.length === 0;
    byId<HTMLButtonElement>('next-proposal').disabled = of < 2;
    byId('proposal-text').textContent = of > 1 ? `Proposal ${at} of ${of}` : 'One proposal';
    for (const [button, label] of this.marks) button.setAttribute('aria-pressed', String(label === this.bench.previews.label));
    this.slider.value = String(DETAILS.indexOf(session.detail));
    const count = outline ? verticesOf(readLocation(outline.location)).length : 0;
    const budget = session.detail === null ? 'automatic' : `at most ${session.detail}`;
    const text = `${count} vertices, ${budget}`;
    byId('detail-text').textContent = text;
    this.slider.setAttribute('aria-valuetext', text);
  }
}
