/** Rectangle and circle with the pointer: drag, or click twice. */

import type { Coordinate } from 'ol/coordinate';
import type MapBrowserEvent from 'ol/MapBrowserEvent';
import PointerInteraction from 'ol/interaction/Pointer';

const DRAG_PX = 5;

export class TwoCorners extends PointerInteraction {
  private first: Coordinate | null = null;
  private downAt: number[] = [0, 0];
  private isSecond = false;

  constructor(
    private readonly preview: (corners: Coordinate[]) => void,
    private readonly finish: (corners: Coordinate[]) => void,
    /** Whether a click places a corner; else only dragging draws. */
    private readonly byClicks: () => boolean,
  ) {
    super();
  }

  /** Forget a corner that waits for the other one. */
  cancel(): void {
    this.first = null;
    this.preview([]);
  }

  override handleDownEvent(event: MapBrowserEvent<PointerEvent>): boolean {
    if (event.originalEvent.button !== 0) return false;
    this.isSecond = this.first !== null;
    this.first ??= event.coordinate;
    this.downAt = event.pixel;
    return true;
  }

  override handleDragEvent(event: MapBrowserEvent<PointerEvent>): void {
    this.show(event);
  }

  override handleMoveEvent(event: MapBrowserEvent<PointerEvent>): void {
    this.show(event);
  }

  override handleUpEvent(event: MapBrowserEvent<PointerEvent>): boolean {
    const [x = 0, y = 0] = event.pixel;
    const dragged = Math.hypot(x - this.downAt[0]!, y - this.downAt[1]!) >= DRAG_PX;
    if (this.first && (dragged || this.isSecond)) {
      const corners = [this.first, event.coordinate];
      this.cancel();
      this.finish(corners);
    } else if (!this.byClicks()) {
      this.cancel();
    }
    return false;
  }

  private show(event: MapBrowserEvent<PointerEvent>): void {
    if (this.first) this.preview([this.first, event.coordinate]);
  }
}
