/** Frames, measures and shapes; nothing here knows of a map or a page. */

import type { Coordinate } from 'ol/coordinate';
import { boundingExtent, containsCoordinate, type Extent } from 'ol/extent';
import WKT from 'ol/format/WKT';
import { Circle, LineString, MultiPolygon, Point, Polygon, type Geometry } from 'ol/geom';
import { fromCircle, fromExtent } from 'ol/geom/Polygon';

import type { Annotation } from './types';

const wkt = new WKT();
const CIRCLE_VERTICES = 64;

export const readLocation = (location: string): Geometry => wkt.readGeometry(location);
export const writeLocation = (geometry: Geometry): string => wkt.writeGeometry(geometry, { decimals: 3 });

/** Cross from the platform frame (y up) to the slide frame (y down), or back. */
export const flipY = ([x = 0, y = 0]: Coordinate, height: number): Coordinate => [x, height - y];

/** The same for a whole geometry; the given one stays as it is. */
export function flipped(geometry: Geometry, height: number): Geometry {
  const turned = geometry.clone();
  turned.applyTransform((xy, output, dimension = 2) => {
    const out = output ?? xy;
    for (let i = 0; i < xy.length; i += dimension) {
      out[i] = xy[i]!;
      out[i + 1] = height - xy[i + 1]!;
    }
    return out;
  });
  return turned;
}

export function areaOf(geometry: Geometry): number {
  return geometry instanceof Polygon || geometry instanceof MultiPolygon ? geometry.getArea() : 0;
}

/** The length of all rings, holes included, or of a line. */
export function perimeterOf(geometry: Geometry): number {
  if (geometry instanceof LineString) return geometry.getLength();
  return polygonsOf(geometry)
    .flatMap((polygon) => polygon.getLinearRings())
    .reduce((sum, ring) => sum + new LineString(ring.getCoordinates()).getLength(), 0);
}

/** Whether a shape has an area that can be refined: no point, no line. */
export const isArea = (geometry: Geometry): boolean => areaOf(geometry) > 0;

export function polygonsOf(geometry: Geometry): Polygon[] {
  if (geometry instanceof Polygon) return [geometry];
  return geometry instanceof MultiPolygon ? geometry.getPolygons() : [];
}

/** All corners of all rings, or of a line. */
export function verticesOf(geometry: Geometry): Coordinate[] {
  if (geometry instanceof LineString) return geometry.getCoordinates();
  return polygonsOf(geometry).flatMap((polygon) => polygon.getCoordinates().flatMap((ring) => ring.slice(1)));
}

export interface Measure {
  value: number;
  unit: string;
}

/** Areas as Core tells them: square microns where the slide has a physical size, else pixels. */
export function areaMeasure(pixels: number, microns: number | null): Measure {
  if (!microns) return { value: pixels, unit: 'px²' };
  const square = pixels * microns ** 2;
  return square < 1e6 ? { value: square, unit: 'µm²' } : { value: square / 1e6, unit: 'mm²' };
}

export function lengthMeasure(pixels: number, microns: number | null): Measure {
  if (!microns) return { value: pixels, unit: 'px' };
  const length = pixels * microns;
  return length < 1000 ? { value: length, unit: 'µm' } : { value: length / 1000, unit: 'mm' };
}

/** Three digits that matter, never more than one after the point of a large number. */
export function measureText({ value, unit }: Measure): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString('en', { maximumFractionDigits: digits })} ${unit}`;
}

/** The points of `user` that the service takes as prompts: inside the box, free of comments, with no other term. */
export function promptsOf(target: Annotation, all: Iterable<Annotation>, user: number): Annotation[] {
  const box = readLocation(target.location).getExtent();
  return [...all].filter(
    (each) =>
      each.user === user &&
      each.nbComments === 0 &&
      each.location.startsWith('POINT') &&
      containsCoordinate(box, (readLocation(each.location) as Point).getCoordinates()) &&
      (each.term.length === 0 || each.term.some((term) => target.term.includes(term))),
  );
}

export const shapeTools = ['rectangle', 'polygon', 'freehand', 'circle', 'point', 'line'] as const;
export type ShapeTool = (typeof shapeTools)[number];

/** How many corners a shape needs at least; rectangle, circle and point are done when they have them. */
export const cornersNeeded: Record<ShapeTool, number> = {
  rectangle: 2,
  circle: 2,
  point: 1,
  line: 2,
  polygon: 3,
  freehand: 3,
};

/** Make a shape of its corners: opposite ones, centre and rim, or one after the other. Null while it is flat. */
export function shapeOf(tool: ShapeTool, corners: Coordinate[]): Geometry | null {
  const [first, last] = [corners[0], corners.at(-1)];
  if (!first || !last || corners.length < cornersNeeded[tool]) return null;
  if (tool === 'point') return new Point(first);
  if (tool === 'line') return new LineString(corners);
  const shape =
    tool === 'rectangle'
      ? fromExtent(boundingExtent([first, last]))
      : tool === 'circle'
        ? fromCircle(new Circle(first, Math.hypot(last[0]! - first[0]!, last[1]! - first[1]!)), CIRCLE_VERTICES)
        : new Polygon([[...corners, first]]);
  return shape.getArea() > 0 ? shape : null;
}

/** Give a box that shows `extent` with room around it. */
export function roomy(extent: Extent, factor: number): Extent {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = extent;
  const room = (Math.max(x1 - x0, y1 - y0, 200) * (factor - 1)) / 2;
  return [x0 - room, y0 - room, x1 + room, y1 + room];
}

/** Whether two shapes fill the same box, to the pixel. */
export function isSamePlace(one: string, other: string): boolean {
  const [a, b] = [readLocation(one).getExtent(), readLocation(other).getExtent()];
  return a.every((edge, i) => Math.abs(edge - b[i]!) < 1);
}

/** Whether two locations say the same, to the digits that we write. */
export const isSameShape = (one: string, other: string): boolean => writeLocation(readLocation(one)) === writeLocation(readLocation(other));

/** Microns per pixel; what no microscope gives, such as a print's dots per inch, counts as none. */
export const micronsOf = (physicalSize: number | null): number | null =>
  physicalSize !== null && physicalSize >= 0.01 && physicalSize <= 50 ? physicalSize : null;

/** A round length that fits into `most`: 1, 2 or 5 times a power of ten. */
export function roundLength(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((step) => step * power).find((length) => length <= most) ?? power;
}
