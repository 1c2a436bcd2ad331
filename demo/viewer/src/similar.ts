/** A search for objects: others like some examples, or everything there is. Nothing is written before proposals are accepted. */

import GeoJSON from 'ol/format/GeoJSON';
import type { Extent } from 'ol/extent';
import { getIntersection, isEmpty } from 'ol/extent';
import type { Geometry, MultiPolygon, Polygon } from 'ol/geom';
import { fromExtent } from 'ol/geom/Polygon';
import RBush from 'ol/structs/RBush';

import { asProblem, type Problem } from './api';
import { isArea, readLocation } from './geometry';
import { isSameObject } from './proposals-overlap';
import { ProposalSet } from './proposals-set';
import { type Ended, type Progress, type Proposal, propose, type Question } from './proposals-wire';
import type { Annotation } from './types';
import type { Workbench } from './workbench';

/** 1: find others like it; -1: not such ones. */
export type Kind = 1 | -1;
export type Where = 'view' | 'drawn' | 'slide' | 'shape';

/** Where the slider stands at first when there are examples; less alike ones are one move away. */
const FIRST_LIKENESS = 0.5;

const format = new GeoJSON();

export class Similar {
  isOpen = false;
  /** By annotation. */
  readonly examples = new Map<number, Kind>();
  where: Where = 'view';
  /** What was drawn to search in. */
  drawn: Geometry | null = null;
  /** The annotation to search in. */
  within: number | null = null;
  set = new ProposalSet();
  progress: Progress = { tile: 0, tiles: 0 };
  ended: Ended | null = null;
  problem: Problem | null = null;
  /** Clicks on annotations make examples of this kind. */
  picking: Kind | null = null;
  /** The proposal that keys mean. */
  focus: Proposal | null = null;
  /** Whether examples or region have changed since it was searched. */
  isOld = false;
  private abort: AbortController | null = null;
  /** What was searched for last. */
  private asked: Question | null = null;

  constructor(
    private readonly bench: Workbench,
    private readonly viewExtent: () => Extent,
  ) {
    bench.on('slide', () => this.close());
    bench.on('user', () => this.close());
    bench.on('change', () => this.forgetGone());
  }

  get isAsking(): boolean {
    return this.abort !== null;
  }

  get chosenExamples(): { like: number[]; unlike: number[] } {
    const of = (kind: Kind): number[] => [...this.examples].filter(([, each]) => each === kind).map(([id]) => id);
    return { like: of(1), unlike: of(-1) };
  }

  /** Find others like an annotation, where the map is. */
  findLike({ id }: Annotation): void {
    this.open('view');
    this.examples.set(id, 1);
    void this.search();
  }

  /** Find everything: where the map is, or in an annotation. */
  everything(within: Annotation | null): void {
    this.open(within ? 'shape' : 'view');
    this.within = within?.id ?? null;
    void this.search();
  }

  /** Take an annotation as an example, or no more if it is one of that kind. */
  pick(id: number, kind: Kind): void {
    const annotation = this.bench.annotations.get(id);
    if (!annotation || id < 0 || !isArea(readLocation(annotation.location))) return;
    if (this.examples.get(id) === kind) this.examples.delete(id);
    else this.examples.set(id, kind);
    this.isOld = true;
    this.told();
  }

  drop(id: number): void {
    this.isOld ||= this.examples.delete(id);
    this.told();
  }

  pickBy(kind: Kind | null): void {
    this.picking = this.picking === kind ? null : kind;
    this.told();
  }

  lookIn(where: Where, drawn: Geometry | null = null): void {
    [this.where, this.drawn, this.isOld] = [where, drawn ?? this.drawn, true];
    this.told();
  }

  /** Whether a search broke off that can go on where it was. */
  get isBroken(): boolean {
    return this.problem !== null && this.set.all.length > 0 && !this.isOld;
  }

  /** Ask anew; the proposals of the search before are forgotten. */
  async search(): Promise<void> {
    this.cancel();
    this.set = new ProposalSet();
    if (this.chosenExamples.like.length) this.set.threshold = FIRST_LIKENESS;
    Object.assign(this, { picking: null, isOld: false, focus: null });
    await this.ask(this.question());
  }

  /** Ask again what broke off. What was found stays as it is, and what is found once more is left out. */
  async goOn(): Promise<void> {
    if (this.asked && this.isBroken) await this.ask(this.asked);
  }

  private async ask(question: Question): Promise<void> {
    const abort = (this.abort = new AbortController());
    Object.assign(this, { asked: question, progress: { tile: 0, tiles: 0 }, ended: null, problem: null });
    this.told();
    const { set } = this;
    const isAnnotated = sameAs([...this.bench.annotations.values()].map((each) => readLocation(each.location)).filter(isArea) as Area[]);
    const isFound = sameAs(set.all.map(({ shape }) => shape));
    try {
      const ended = await propose(this.bench.api, this.bench.image!.id, question, abort.signal, (proposal, progress) => {
        if (abort.signal.aborted) return;
        this.progress = progress;
        if (!isFound(proposal)) set.add({ ...proposal, key: set.all.length + 1 }, isAnnotated(proposal) ? 'annotated' : null);
        this.told();
      });
      if (!abort.signal.aborted) this.ended = ended;
    } catch (error) {
      const problem = asProblem(error);
      if (!abort.signal.aborted) this.problem = problem;
    }
    if (this.abort === abort) this.abort = null;
    this.told();
  }

  /** Stop searching; what has been found stays. */
  cancel(): void {
    this.abort?.abort();
    this.abort = null;
    this.told();
  }

  sift(threshold: number): void {
    this.set.threshold = threshold;
    if (this.focus && !this.set.isShown(this.focus)) this.focus = null;
    this.told();
  }

  /** Drop a proposal, or take it back. */
  toggle(proposal: Proposal): void {
    this.set.toggle(proposal);
    this.focus = proposal;
    this.told();
  }

  /** Go to the next proposal in the order of doubt, or to the one before. */
  step(by: 1 | -1): void {
    const { order } = this.set;
    const at = this.focus ? order.indexOf(this.focus) : by > 0 ? -1 : 0;
    this.focus = order[(at + by + order.length) % order.length] ?? null;
    this.told();
  }

  unfocus(): void {
    this.focus = null;
    this.told();
  }

  close(): void {
    this.cancel();
    Object.assign(this, { isOpen: false, picking: null, focus: null, drawn: null, within: null, set: new ProposalSet() });
    Object.assign(this, { ended: null, problem: null });
    this.examples.clear();
    this.told();
  }

  private open(where: Where): void {
    this.close();
    [this.isOpen, this.where] = [true, where];
  }

  private told(): void {
    this.bench.emit('proposals');
  }

  private forgetGone(): void {
    for (const id of this.examples.keys()) if (!this.bench.annotations.has(id)) this.drop(id);
  }

  private question(): Question {
    return { region: this.where === 'shape' && this.within !== null ? this.within : this.region(), ...this.chosenExamples };
  }

  private region(): object {
    const { width, height } = this.bench.image!;
    const whole = [0, 0, width, height];
    const seen = getIntersection(this.viewExtent(), whole);
    const shape = this.where === 'drawn' && this.drawn ? this.drawn : fromExtent(this.where === 'slide' || isEmpty(seen) ? whole : seen);
    return { type: 'Feature', geometry: format.writeGeometryObject(shape), properties: {} };
  }
}

type Area = Polygon | MultiPolygon;

/** Tell of a proposal whether one of some shapes is of the same object. */
function sameAs(shapes: Area[]): (proposal: Proposal) => boolean {
  const index = new RBush<Area>();
  index.load(shapes.map((each) => each.getExtent()), shapes);
  return ({ shape }) => index.getInExtent(shape.getExtent()).some((each) => isSameObject(each, shape));
}
