/** Pictures of many outlines, tile by tile, drawn a few milliseconds at a time so that the map never waits for them. */

import type { Extent } from 'ol/extent';
import { buffer, intersects } from 'ol/extent';

export const TILE_PX = 512;
/** Outlines of tiles beside each other overlap by the width of a line. */
const MARGIN_PX = 4;
const CHUNK = 100;
const KEPT_AROUND = 1;

export interface Brush<T> {
  /** What lies in an extent, platform frame. */
  find(extent: Extent): T[];
  /** Draw some of it; the canvas begins at the upper left corner of `extent` and has CSS pixels for units. */
  draw(context: CanvasRenderingContext2D, extent: Extent, resolution: number, some: readonly T[]): void;
}

interface Tile<T> {
  extent: Extent;
  /** What is shown; of an older state while a newer one is drawn. */
  shown: HTMLCanvasElement | null;
  isStale: boolean;
  work: { canvas: HTMLCanvasElement; context: CanvasRenderingContext2D; left: T[] } | null;
}

export interface Shown {
  canvas: HTMLCanvasElement;
  extent: Extent;
}

/** The tiles of one resolution, counted from the origin of the platform frame. */
export class Tiles<T> {
  private readonly tiles = new Map<string, Tile<T>>();

  constructor(
    readonly resolution: number,
    private readonly pixelRatio: number,
    private readonly brush: Brush<T>,
  ) {}

  /** What there is to be seen of an extent, finished or not. */
  shown(extent: Extent): Shown[] {
    return [...this.tiles.values()].flatMap((each) =>
      each.shown && intersects(each.extent, extent) ? [{ canvas: each.shown, extent: each.extent }] : [],
    );
  }

  /** Draw on what is missing in an extent, until a time on the browser's clock; tells whether everything is drawn. */
  work(extent: Extent, until: number): boolean {
    const side = TILE_PX * this.resolution;
    const wanted = this.placesIn(extent).map((place) => this.tile(place, side));
    this.forget(buffer(extent, KEPT_AROUND * side));
    for (const tile of wanted) {
      while (tile.isStale) {
        if (performance.now() >= until) return false;
        this.step(tile);
      }
    }
    return true;
  }

  /** Something in this extent looks different now. Null: anywhere. */
  spoil(extent: Extent | null): void {
    for (const tile of this.tiles.values()) {
      if (extent && !intersects(tile.extent, buffer(extent, MARGIN_PX * this.resolution))) continue;
      tile.isStale = true;
      tile.work = null;
    }
  }

  private placesIn([x0 = 0, y0 = 0, x1 = 0, y1 = 0]: Extent): [number, number][] {
    const at = (value: number): number => Math.floor(value / (TILE_PX * this.resolution));
    const places: [number, number][] = [];
    for (let row = at(y0); row <= at(y1); row++) for (let column = at(x0); column <= at(x1); column++) places.push([column, row]);
    return places;
  }

  private tile([column, row]: [number, number], side: number): Tile<T> {
    const key = `${column} ${row}`;
    let found = this.tiles.get(key);
    if (!found) {
      const extent = [column * side, row * side, (column + 1) * side, (row + 1) * side];
      found = { extent, shown: null, isStale: true, work: null };
      this.tiles.set(key, found);
    }
    return found;
  }

  private step(tile: Tile<T>): void {
    const work = (tile.work ??= this.begin(tile));
    this.brush.draw(work.context, tile.extent, this.resolution, work.left.splice(0, CHUNK));
    if (work.left.length) return;
    [tile.shown, tile.work, tile.isStale] = [work.canvas, null, false];
  }

  private begin(tile: Tile<T>): NonNullable<Tile<T>['work']> {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = Math.ceil(TILE_PX * this.pixelRatio);
    const context = canvas.getContext('2d')!;
    context.scale(canvas.width / TILE_PX, canvas.height / TILE_PX);
    return { canvas, context, left: this.brush.find(buffer(tile.extent, MARGIN_PX * this.resolution)) };
  }

  private forget(kept: Extent): void {
    for (const [key, { extent }] of this.tiles) if (!intersects(extent, kept)) this.tiles.delete(key);
  }
}
