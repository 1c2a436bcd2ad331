/** Draws many outlines on one canvas: coloured by how certain they are, dashed where the service doubts, white and dotted where left out. */

import type { Extent } from 'ol/extent';
import type { MultiPolygon, Polygon } from 'ol/geom';

/** From the least to the most certain; told apart with any colour sight, on pink tissue and on brown. */
export const RAMP = ['#b4430c', '#c77800', '#6f8f2f', '#12868a', '#0b57a4'] as const;
const OUT = '#ffffff';
const OUT_SEAM = 'rgba(20, 22, 26, 0.7)';
const SEAM = 'rgba(255, 255, 255, 0.85)';
const DASH = [6, 4];
const OUT_DASH = [3, 5];
/** Below this size on the screen, an outline is a block of colour; below the second one it has no seam. */
const BLOCK_PX = 4;
const PLAIN_PX = 14;

/** How a proposal is drawn. */
export interface Look {
  /** Place in the ramp, or -1 for one that is left out. */
  colour: number;
  isDashed: boolean;
}

/** An outline with its simpler forms, each made when it is first needed. */
export class Outline {
  readonly extent: Extent;
  private readonly forms = new Map<number, Float32Array[]>();

  constructor(readonly shape: Polygon | MultiPolygon) {
    this.extent = shape.getExtent();
  }

  /** The rings, platform frame, simplified by less than a pixel of a screen with `resolution` level-0 pixels to each. */
  rings(resolution: number): Float32Array[] {
    const level = Math.max(-1, Math.floor(Math.log2(resolution)));
    const known = this.forms.get(level);
    if (known) return known;
    const simple = level < 0 ? this.shape : (this.shape.getSimplifiedGeometry((0.7 * 2 ** level) ** 2) as Polygon | MultiPolygon);
    const ends = 'getEndss' in simple ? simple.getEndss().flat() : simple.getEnds();
    const flat = simple.getFlatCoordinates();
    const rings = ends.map((end, i) => Float32Array.from(flat.slice(ends[i - 1] ?? 0, end)));
    this.forms.set(level, rings);
    return rings;
  }
}

/** Where a canvas lies: its upper left corner in the platform frame, and level-0 pixels per canvas unit. */
export interface Frame {
  left: number;
  top: number;
  resolution: number;
}

/** Draw outlines of one look, in one go. */
export function paint(context: CanvasRenderingContext2D, frame: Frame, outlines: readonly Outline[], { colour, isDashed }: Look): void {
  const line = RAMP[colour] ?? OUT;
  const [blocks, rest] = divided(outlines, ({ extent }) => sizeOf(extent) < BLOCK_PX * frame.resolution);
  const [plain, full] = divided(rest, ({ extent }) => sizeOf(extent) < PLAIN_PX * frame.resolution);
  context.lineJoin = 'round';
  context.fillStyle = context.strokeStyle = line;
  for (const { extent } of blocks) block(context, frame, extent, colour < 0);
  stroke(context, frame, plain, [], 1.25, colour < 0 ? 0 : 0.25);
  context.strokeStyle = colour < 0 ? OUT_SEAM : SEAM;
  stroke(context, frame, full, [], colour < 0 ? 3 : 4.5, 0);
  context.strokeStyle = line;
  stroke(context, frame, full, colour < 0 ? OUT_DASH : isDashed ? DASH : [], 2, colour < 0 ? 0 : 0.1);
}

const sizeOf = ([x0 = 0, y0 = 0, x1 = 0, y1 = 0]: Extent): number => Math.max(x1 - x0, y1 - y0);

function divided<T>(all: readonly T[], isFirst: (each: T) => boolean): [T[], T[]] {
  const [first, second] = [[] as T[], [] as T[]];
  for (const each of all) (isFirst(each) ? first : second).push(each);
  return [first, second];
}

function block(context: CanvasRenderingContext2D, { left, top, resolution }: Frame, [x0 = 0, , x1 = 0, y1 = 0]: Extent, isOut: boolean): void {
  const side = Math.max(2, (x1 - x0) / resolution);
  if (!isOut) context.fillRect((x0 - left) / resolution, (top - y1) / resolution, side, side);
}

function stroke(context: CanvasRenderingContext2D, frame: Frame, outlines: Outline[], dash: number[], width: number, alpha: number): void {
  if (!outlines.length) return;
  context.beginPath();
  for (const outline of outlines) for (const ring of outline.rings(frame.resolution)) trace(context, frame, ring);
  if (alpha) {
    context.globalAlpha = alpha;
    context.fill('evenodd');
    context.globalAlpha = 1;
  }
  context.setLineDash(dash);
  context.lineWidth = width;
  context.stroke();
}

function trace(context: CanvasRenderingContext2D, { left, top, resolution }: Frame, ring: Float32Array): void {
  for (let i = 0; i + 3 < ring.length; i += 2) {
    const [x, y] = [(ring[i]! - left) / resolution, (top - ring[i + 1]!) / resolution];
    if (i) context.lineTo(x, y);
    else context.moveTo(x, y);
  }
  context.closePath();
}
