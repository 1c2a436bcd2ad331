/** How annotations look on tissue: every line has a light seam, so that it shows on any stain. */

import { asArray } from 'ol/color';
import type { FeatureLike } from 'ol/Feature';
import { type Geometry, MultiPoint } from 'ol/geom';
import { Circle as Dot, Fill, RegularShape, Stroke, Style } from 'ol/style';

import { verticesOf } from './geometry';
import { PLAIN } from './terms';

export const colours = {
  selected: '#00875f',
  before: '#c2410c',
  prompt: '#00875f',
  point: '#7c3aed',
  sketch: '#2457d6',
  unsaved: '#b3261e',
  preview: '#0e7490',
  doubtful: '#b45309',
} as const;

const SEAM = 'rgba(255, 255, 255, 0.85)';

const tint = (colour: string, alpha: number) => [...asArray(colour).slice(0, 3), alpha];

function outline(colour: string, width: number, alpha: number, dash?: number[], filling = colour): Style[] {
  return [
    new Style({ stroke: new Stroke({ color: SEAM, width: width + 2.5 }), fill: new Fill({ color: tint(filling, Math.min(1, alpha)) }) }),
    new Style({ stroke: new Stroke({ color: colour, width, ...(dash && { lineDash: dash }) }) }),
  ];
}

function dot(colour: string, radius: number): Style {
  return new Style({
    image: new Dot({ radius, fill: new Fill({ color: colour }), stroke: new Stroke({ color: '#fff', width: 2 }) }),
  });
}

const promptRing = new Style({ image: new Dot({ radius: 10, stroke: new Stroke({ color: colours.prompt, width: 2 }) }) });
const vertices = new Style({
  geometry: (feature) => new MultiPoint(verticesOf(feature.getGeometry() as Geometry)),
  image: new Dot({ radius: 4, fill: new Fill({ color: '#fff' }), stroke: new Stroke({ color: colours.selected, width: 2 }) }),
});

export type Role = 'shape' | 'selected' | 'editing' | 'prompt' | 'unsaved' | 'unsavedSelected' | 'hidden';

/** Of an annotation by the role it plays, the colour of its term, and how strongly shapes are filled. */
function made(role: Role, colour: string, fill: number): Style[] {
  const pointColour = colour === PLAIN ? colours.point : colour;
  switch (role) {
    case 'shape':
      return [...outline(colour, 2, fill), dot(pointColour, 5.5)];
    case 'selected':
      return [...outline(colours.selected, 3, fill * 1.5, undefined, colour), dot(colours.selected, 7.5)];
    case 'editing':
      return [...made('selected', colour, fill), vertices];
    case 'prompt':
      return [promptRing, dot(colours.prompt, 5.5)];
    case 'unsaved':
      return [...outline(colours.unsaved, 2, fill, [8, 6]), dot(colours.unsaved, 5.5)];
    case 'unsavedSelected':
      return [...outline(colours.unsaved, 3, fill * 1.5, [8, 6]), dot(colours.unsaved, 7.5)];
    case 'hidden':
      return [];
  }
}

const known = new Map<string, Style[]>();

/** The same, made once for each combination. */
export function styleOf(role: Role, colour: string, fill: number): Style[] {
  const key = `${role} ${colour} ${fill}`;
  if (!known.has(key)) known.set(key, made(role, colour, fill));
  return known.get(key)!;
}

export const beforeStyle = outline(colours.before, 2, 0, [7, 5]);
export const beforeAloneStyle = outline(colours.before, 3, 0.1);
export const boxStyle = new Style({ stroke: new Stroke({ color: colours.selected, width: 1, lineDash: [3, 4] }) });
export const sketchStyle = [...outline(colours.sketch, 2, 0.08), dot(colours.sketch, 5)];
export const vertexStyle = dot('#1b1b1f', 6);

export type PreviewPart = 'shape' | 'waiting' | 'outline' | 'doubtful' | 'behind' | 'box' | 'object' | 'background';

/** A disc with a sign on it, so that colour is not all that tells them apart. */
function sign(colour: string, arms: number): Style[] {
  const bar = (rotation: number): Style =>
    new Style({
      image: new RegularShape({ points: 2, radius: 5, rotation, stroke: new Stroke({ color: '#fff', width: 2.5 }) }),
    });
  return [dot(colour, 8.5), ...[Math.PI / 2, 0].slice(0, arms).map(bar)];
}

const byPart: Record<PreviewPart, Style | Style[]> = {
  shape: outline(colours.sketch, 1.5, 0, [7, 5]),
  waiting: outline(colours.sketch, 2, 0.08, [7, 5]),
  outline: outline(colours.preview, 3, 0.12),
  doubtful: outline(colours.doubtful, 3, 0.12, [12, 5]),
  behind: outline(colours.preview, 2, 0.06, [3, 5]),
  box: new Style({ stroke: new Stroke({ color: colours.sketch, width: 1, lineDash: [3, 4] }) }),
  object: sign(colours.selected, 2),
  background: sign(colours.unsaved, 1),
};

export const previewStyle = (feature: FeatureLike): Style | Style[] => byPart[feature.get('part') as PreviewPart];
