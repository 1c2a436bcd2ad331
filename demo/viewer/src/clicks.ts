/** Clicks for an open preview: with the pointer, with a finger, and with the keyboard under the cross. */

import type { Coordinate } from 'ol/coordinate';

import { clickAt } from './session';
import type { SlideMap } from './slidemap';
import type { Tools } from './tools';
import type { Workbench } from './workbench';

const REACH_PX = { mouse: 11, touch: 22 };
/** A second click so soon after the first, at the same place, is a double click: one is meant. */
const DOUBLE_MS = 350;
/** A finger that rests so long means the background. */
const HELD_MS = 500;
/** Where the browser tells of such a finger itself, its lifting within this time is nothing more. */
const LIFTED_MS = 1500;

export class Clicks {
  private lastAt = -Infinity;
  private lastPixel: number[] = [0, 0];
  private heldAt = -Infinity;
  private isFinger = false;
  private downAt = 0;
  /** Whether a preview was open when the button went down; else this click has drawn it. */
  private isMine = false;

  constructor(
    private readonly slides: SlideMap,
    private readonly tools: Tools,
    private readonly bench: Workbench,
  ) {
    slides.map.on('click', (event) => {
      const pointer = event.originalEvent as PointerEvent;
      if (!this.isMine || !this.tools.givesClicks || this.isEcho(event.pixel)) return;
      const isHeld = this.isFinger && performance.now() - this.downAt >= HELD_MS;
      this.put(event.coordinate, pointer.altKey || isHeld ? 0 : this.bench.previews.label);
    });
    slides.target.addEventListener('pointerdown', (event) => this.down(event), true);
    slides.target.addEventListener('contextmenu', (event) => this.other(event));
  }

  /** Put a click under the cross, or take the one away that is there. */
  cross(isBackground: boolean): void {
    const centre = this.slides.view.getCenter();
    this.isFinger = false;
    if (centre) this.put(centre, isBackground ? 0 : this.bench.previews.label);
  }

  private down({ pointerType }: PointerEvent): void {
    this.isFinger = pointerType === 'touch';
    this.isMine = this.tools.givesClicks;
    this.downAt = performance.now();
  }

  /** The right button, or a finger held down: background. */
  private other(event: MouseEvent): void {
    if (!this.tools.givesClicks) return;
    event.preventDefault();
    if (this.isFinger) this.heldAt = performance.now();
    const { map } = this.slides;
    this.put(map.getEventCoordinate(event), 0);
  }

  private put([x = 0, y = 0]: Coordinate, label: 0 | 1): void {
    const { previews } = this.bench;
    const { current } = previews;
    if (!current) return;
    const reach = (this.isFinger ? REACH_PX.touch : REACH_PX.mouse) * (this.slides.view.getResolution() ?? 1);
    const there = clickAt(current.session, x, y, reach);
    if (there >= 0) previews.remove(there);
    else previews.click({ x, y, label });
  }

  private isEcho([x = 0, y = 0]: number[]): boolean {
    const now = performance.now();
    const isNear = Math.hypot(x - this.lastPixel[0]!, y - this.lastPixel[1]!) < REACH_PX.mouse;
    const isDouble = isNear && now - this.lastAt < DOUBLE_MS;
    this.lastAt = now;
    this.lastPixel = [x, y];
    return isDouble || now - this.heldAt < LIFTED_MS;
  }
}
