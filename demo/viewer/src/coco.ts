/** The slide's areas as a COCO file: level-0 pixels, origin top left, y down. Points and lines have no place in it. */

import type { Coordinate } from 'ol/coordinate';
import type { Polygon } from 'ol/geom';

import { flipped, isArea, polygonsOf, readLocation } from './geometry';
import { FRAME } from './geojson';
import type { Annotation, ImageInstance, Term } from './types';

/** COCO wants a category for everything. */
const NO_TERM = 'no term';

export interface Coco {
  info: { description: string; frame: typeof FRAME };
  images: { id: number; file_name: string; width: number; height: number }[];
  categories: { id: number; name: string; supercategory: string }[];
  annotations: CocoAnnotation[];
}

interface CocoAnnotation {
  id: number;
  image_id: number;
  category_id: number;
  /** x, y, x, y, … of each part; a part with holes is one line that goes into each hole and back on its own track. */
  segmentation: number[][];
  area: number;
  bbox: [x: number, y: number, width: number, height: number];
  iscrowd: 0;
}

export function coco(image: ImageInstance, annotations: Iterable<Annotation>, terms: ReadonlyMap<number, Term>): Coco {
  const areas = [...annotations].filter(({ location }) => isArea(readLocation(location)));
  const names = areas.map(({ term }) => terms.get(term[0] ?? -1)?.name ?? NO_TERM);
  const numbers = new Map([...new Set(names)].sort().map((name, i) => [name, i + 1]));
  return {
    info: { description: `Annotations of ${image.instanceFilename}`, frame: FRAME },
    images: [{ id: image.id, file_name: image.instanceFilename, width: image.width, height: image.height }],
    categories: [...numbers].map(([name, id]) => ({ id, name, supercategory: '' })),
    annotations: areas.map((each, i) => cocoAnnotation(each, image, numbers.get(names[i]!)!)),
  };
}

function cocoAnnotation({ id, location }: Annotation, image: ImageInstance, category: number): CocoAnnotation {
  const geometry = flipped(readLocation(location), image.height);
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = geometry.getExtent();
  const parts = polygonsOf(geometry);
  return {
    id,
    image_id: image.id,
    category_id: category,
    segmentation: parts.map((part) => oneLine(part).flatMap(([x = 0, y = 0]) => [rounded(x), rounded(y)])),
    area: rounded(parts.reduce((sum, part) => sum + part.getArea(), 0)),
    bbox: [rounded(x0), rounded(y0), rounded(x1 - x0), rounded(y1 - y0)],
    iscrowd: 0,
  };
}

/**
 * Draw a polygon with one line: from the corner of what there is that is nearest to a hole, around the hole against the
 * outer sense, and back. What fills that line fills the polygon, whether by even-odd or by winding.
 */
export function oneLine(polygon: Polygon): Coordinate[] {
  const [outer = [], ...holes] = polygon.getCoordinates(true).map((ring) => ring.slice(0, -1));
  return holes.reduce(withHole, outer);
}

function withHole(line: Coordinate[], hole: Coordinate[]): Coordinate[] {
  let [at, from, least] = [0, 0, Infinity];
  line.forEach((corner, i) =>
    hole.forEach((other, j) => {
      const far = Math.hypot(corner[0]! - other[0]!, corner[1]! - other[1]!);
      if (far < least) [at, from, least] = [i, j, far];
    }),
  );
  const around = [...hole.slice(from), ...hole.slice(0, from + 1)];
  return [...line.slice(0, at + 1), ...around, ...line.slice(at)];
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
