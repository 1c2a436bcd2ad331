/** The small map of the whole slide in the corner: where on it the large one is. A drag of the box moves the view. */

import OverviewMap from 'ol/control/OverviewMap';
import View from 'ol/View';
import { containsExtent } from 'ol/extent';
import ImageLayer from 'ol/layer/Image';
import type Projection from 'ol/proj/Projection';
import Static from 'ol/source/ImageStatic';

import { imageUrl } from './api';
import type { SlideMap } from './slidemap';
import type { ImageInstance } from './types';
import type { Workbench } from './workbench';

const FOLDED = 'refine.overview';
/** Longest side of the picture; the slides' picker asks for the same one. */
const THUMB_PX = 320;
const SIDE_PX = 150;

export function overview(bench: Workbench, slides: SlideMap): void {
  let control: OverviewMap | null = null;

  function show(image: ImageInstance): void {
    if (control) slides.map.removeControl(control);
    control = made(image, slides.view.getProjection());
    slides.map.addControl(control);
    const button = slides.target.querySelector<HTMLButtonElement>('.ol-overviewmap button')!;
    const name = (): void => {
      const isFolded = control!.getCollapsed();
      button.title = isFolded ? 'Show the overview' : 'Hide the overview';
      button.setAttribute('aria-label', 'Overview');
      button.setAttribute('aria-expanded', String(!isFolded));
    };
    button.addEventListener('click', () => {
      localStorage.setItem(FOLDED, String(control!.getCollapsed()));
      name();
    });
    name();
  }
  bench.on('slide', show);
  slides.map.on('moveend', () => {
    const { image } = bench;
    if (!image) return;
    const isWhole = containsExtent(slides.view.calculateExtent(slides.map.getSize()), [0, 0, image.width, image.height]);
    slides.target.classList.toggle('whole', isWhole); // the map is its own overview then
  });
}

function made(image: ImageInstance, projection: Projection): OverviewMap {
  const extent = [0, 0, image.width, image.height];
  const url = `${imageUrl(image.path)}/thumb?length=${THUMB_PX}`;
  const scale = SIDE_PX / Math.max(image.width, image.height);
  document.documentElement.style.setProperty('--overview-width', `${Math.round(image.width * scale)}px`);
  document.documentElement.style.setProperty('--overview-height', `${Math.round(image.height * scale)}px`);
  const whole = 1 / scale;
  return new OverviewMap({
    collapsed: isFolded(),
    collapseLabel: '»',
    label: '«',
    tipLabel: 'Overview',
    layers: [new ImageLayer({ source: new Static({ url, imageExtent: extent, projection }) })],
    // It stays where it is: the control would have it follow the large map
    view: new View({ projection, extent, showFullExtent: true, smoothExtentConstraint: false, center: [image.width / 2, image.height / 2], resolution: whole, minResolution: whole, maxResolution: whole }),
  });
}

/** As this browser left it; on a phone there is no room. */
function isFolded(): boolean {
  const kept = localStorage.getItem(FOLDED);
  return kept === null ? matchMedia('(max-width: 760px)').matches : kept === 'true';
}
