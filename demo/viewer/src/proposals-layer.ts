/** Thousands of proposals on the map. They are drawn into tiles, so that panning moves pictures, not lines. */

import type { Extent } from 'ol/extent';
import { intersects } from 'ol/extent';
import type { FrameState } from 'ol/Map';
import Layer from 'ol/layer/Layer';
import Source from 'ol/source/Source';
import RBush from 'ol/structs/RBush';
import ViewHint from 'ol/ViewHint';

import { type Look, Outline, paint, RAMP } from './proposals-paint';
import { shareOf, type ProposalSet, valueOf } from './proposals-set';
import { Tiles } from './proposals-tiles';
import type { Proposal } from './proposals-wire';

/** Time for drawing in a frame, while the map moves and while it rests. */
const MOVING_MS = 5;
const RESTING_MS = 25;
const REACH_PX = 5;

interface Entry {
  proposal: Proposal;
  outline: Outline;
}

export class ProposalsLayer extends Layer {
  private readonly canvas = document.createElement('canvas');
  private readonly index = new RBush<Entry>();
  private readonly entries = new Map<number, Entry>();
  private shownSet: ProposalSet | null = null;
  private floor = 0;
  private tiles: Tiles<Entry> | null = null;
  /** Of the resolution before, to be seen until the new ones are there. */
  private before: Tiles<Entry> | null = null;

  constructor(zIndex: number) {
    super({ source: new Source({}), zIndex });
    this.canvas.className = 'ol-layer proposals';
    this.canvas.style.cssText = 'position:absolute;inset:0;width:100%;height:100%;pointer-events:none';
  }

  /** Show the proposals of another search, or none. */
  show(set: ProposalSet | null): void {
    if (set === this.shownSet) return;
    this.shownSet = set;
    this.index.clear();
    this.entries.clear();
    this.spoil();
  }

  /** Take in what has been added to the search since. */
  grow(): void {
    const set = this.shownSet;
    if (!set || set.all.length === this.entries.size) return;
    const fresh = set.all.slice(this.entries.size).map((proposal) => ({ proposal, outline: new Outline(proposal.shape) }));
    fresh.forEach((each) => this.entries.set(each.proposal.key, each));
    this.index.load(fresh.map((each) => each.outline.extent), fresh);
    if (set.floor !== this.floor) return this.spoil();
    for (const { outline } of fresh) this.tiles?.spoil(outline.extent);
    this.changed();
  }

  /** Draw anew: all of it, or one proposal that was dropped or taken back. */
  spoil(proposal?: Proposal): void {
    this.floor = this.shownSet?.floor ?? 0;
    this.tiles?.spoil(proposal?.shape.getExtent() ?? null);
    this.before = null;
    this.changed();
  }

  /** Give the smallest shown proposal at a place of the platform frame. */
  at(x: number, y: number, resolution: number): Proposal | null {
    const reach = REACH_PX * resolution;
    const near = this.index.getInExtent([x - reach, y - reach, x + reach, y + reach]).map((each) => each.proposal);
    const there = near.filter((each) => this.shownSet!.isShown(each) && isAt(each, x, y, reach));
    return there.reduce<Proposal | null>((best, each) => (best && best.area <= each.area ? best : each), null);
  }

  override render(frame: FrameState): HTMLElement {
    const { pixelRatio, extent, viewState, viewHints } = frame;
    const [width = 0, height = 0] = frame.size.map((each) => Math.round(each * pixelRatio));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext('2d')!;
    context.clearRect(0, 0, width, height);
    if (!this.shownSet || !extent) return this.canvas;
    const isMoving = viewHints[ViewHint.ANIMATING]! > 0 || viewHints[ViewHint.INTERACTING]! > 0;
    const tiles = this.tilesOf(viewState.resolution, pixelRatio, isMoving);
    const isDrawn = tiles.work(extent, performance.now() + (isMoving ? MOVING_MS : RESTING_MS)) && tiles.resolution === viewState.resolution;
    if (isDrawn) this.before = null;
    else frame.animate = true; // the next frame goes on
    for (const each of [this.before, tiles]) if (each) this.put(context, each, extent, viewState.resolution / pixelRatio);
    this.canvas.dataset.state = isDrawn ? 'drawn' : 'drawing';
    return this.canvas;
  }

  /** The tiles for a resolution; while the map zooms, those there are. */
  private tilesOf(resolution: number, pixelRatio: number, isMoving: boolean): Tiles<Entry> {
    if (this.tiles && (this.tiles.resolution === resolution || isMoving)) return this.tiles;
    this.before = this.tiles;
    this.tiles = new Tiles<Entry>(resolution, pixelRatio, {
      find: (extent) => this.shownIn(extent),
      draw: (context, extent, scale, some) => this.draw(context, extent, scale, some),
    });
    return this.tiles;
  }

  /** Those of one look beside each other: they are drawn in one go. */
  private shownIn(extent: Extent): Entry[] {
    const shown = this.index.getInExtent(extent).filter(({ proposal }) => this.shownSet?.isShown(proposal));
    return shown.sort((one, other) => rank(this.lookOf(one.proposal)) - rank(this.lookOf(other.proposal)));
  }

  private draw(context: CanvasRenderingContext2D, [left = 0, , , top = 0]: Extent, resolution: number, some: readonly Entry[]): void {
    const groups = new Map<number, { look: Look; outlines: Outline[] }>();
    for (const { proposal, outline } of some) {
      const look = this.lookOf(proposal);
      const key = rank(look);
      if (!groups.has(key)) groups.set(key, { look, outlines: [] });
      groups.get(key)!.outlines.push(outline);
    }
    for (const { look, outlines } of groups.values()) paint(context, { left, top, resolution }, outlines, look);
  }

  private lookOf(proposal: Proposal): Look {
    const share = shareOf(valueOf(proposal), this.floor);
    const colour = this.shownSet?.leftOut(proposal) ? -1 : Math.min(RAMP.length - 1, Math.floor(share * RAMP.length));
    return { colour, isDashed: proposal.isDoubtful };
  }

  private put(context: CanvasRenderingContext2D, tiles: Tiles<Entry>, extent: Extent, resolution: number): void {
    const [left = 0, , , top = 0] = extent;
    for (const { canvas, extent: [x0 = 0, y0 = 0, x1 = 0, y1 = 0] } of tiles.shown(extent)) {
      const at = [(x0 - left) / resolution, (top - y1) / resolution, (x1 - left) / resolution, (top - y0) / resolution].map(Math.round);
      const [fromX = 0, fromY = 0, toX = 0, toY = 0] = at;
      context.clearRect(fromX, fromY, toX - fromX, toY - fromY); // of what was there before
      context.drawImage(canvas, fromX, fromY, toX - fromX, toY - fromY);
    }
  }
}

const rank = ({ colour, isDashed }: Look): number => 2 * colour + Number(isDashed);

function isAt({ shape }: Proposal, x: number, y: number, reach: number): boolean {
  if (shape.intersectsCoordinate([x, y])) return true;
  const box = [x - reach, y - reach, x + reach, y + reach];
  return intersects(shape.getExtent(), box) && shape.intersectsExtent(box);
}
