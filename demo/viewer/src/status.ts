/** The lower edge of the map: a scale bar, the magnification, and where the pointer is. */

import { byId } from './dom';
import { flipY, lengthMeasure, measureText, roundLength } from './geometry';
import type { SlideMap } from './slidemap';
import type { Workbench } from './workbench';

const BAR_PX = 110;
/** What pathologists call 40×: a quarter of a micron per pixel. */
const MICRONS_AT_1X = 10;

export function statusLine(bench: Workbench, slides: SlideMap): void {
  function showScale(): void {
    const [resolution, microns] = [slides.view.getResolution() ?? 1, bench.image?.physicalSizeX ?? null];
    const perPixel = resolution * (microns ?? 1);
    const length = roundLength(BAR_PX * perPixel);
    byId('scale-bar').style.width = `${length / perPixel}px`;
    byId('scale-text').textContent = measureText(lengthMeasure(length / (microns ?? 1), microns));
    const power = MICRONS_AT_1X / perPixel;
    byId('magnification').textContent = microns ? `${power >= 10 ? power.toFixed(0) : power.toFixed(1)}×` : '';
  }

  slides.map.on('pointermove', (event) => {
    if (!bench.image) return;
    const [x = 0, y = 0] = flipY(event.coordinate, bench.image.height);
    byId('position').textContent = `${Math.round(x)}, ${Math.round(y)} px`;
  });
  slides.map.on('postrender', showScale);
}
