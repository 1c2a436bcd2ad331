/** Moves one outline onto another, so that the eye can follow what a refine did. */

import type { Coordinate } from 'ol/coordinate';
import { Polygon, type Geometry } from 'ol/geom';

import { areaOf, polygonsOf } from './geometry';

const VERTICES = 180;

/** Give the shape between two others at a time from 0 to 1, or null where there is no simple way between them. */
export function morph(from: Geometry, to: Geometry): ((time: number) => Polygon) | null {
  const [start, end] = [largest(from), largest(to)];
  if (!start || !end) return null;
  const a = evenly(start);
  const b = turnedTowards(a, evenly(end));
  return (time) => {
    const ring = a.map(([x = 0, y = 0], i) => [x + (b[i]![0]! - x) * time, y + (b[i]![1]! - y) * time]);
    return new Polygon([[...ring, ring[0]!]]);
  };
}

function largest(geometry: Geometry): Polygon | undefined {
  return polygonsOf(geometry).sort((one, other) => areaOf(other) - areaOf(one))[0];
}

/** Place the same number of vertices along every outer ring, anticlockwise. */
function evenly(polygon: Polygon): Coordinate[] {
  const ring = polygon.getLinearRing(0)!.getCoordinates();
  if (signedArea(ring) < 0) ring.reverse();
  const steps = ring.slice(1).map(([x = 0, y = 0], i) => Math.hypot(x - ring[i]![0]!, y - ring[i]![1]!));
  const length = steps.reduce((sum, step) => sum + step, 0);
  const found: Coordinate[] = [];
  let [side, walked] = [0, 0];
  for (let i = 0; i < VERTICES; i++) {
    const goal = (i / VERTICES) * length;
    while (side < steps.length - 1 && walked + steps[side]! < goal) walked += steps[side++]!;
    const share = steps[side]! === 0 ? 0 : (goal - walked) / steps[side]!;
    const [p, q] = [ring[side]!, ring[side + 1]!];
    found.push([p[0]! + (q[0]! - p[0]!) * share, p[1]! + (q[1]! - p[1]!) * share]);
  }
  return found;
}

function signedArea(ring: Coordinate[]): number {
  return ring.slice(1).reduce((sum, [x = 0, y = 0], i) => sum + ring[i]![0]! * y - x * ring[i]![1]!, 0) / 2;
}

/** Turn a ring so that its vertices lie nearest to those of another. */
function turnedTowards(goal: Coordinate[], ring: Coordinate[]): Coordinate[] {
  const cost = (shift: number) =>
    goal.reduce((sum, [x = 0, y = 0], i) => {
      const [u = 0, v = 0] = ring[(i + shift) % ring.length]!;
      return sum + (x - u) ** 2 + (y - v) ** 2;
    }, 0);
  const shifts = ring.map((_, shift) => cost(shift));
  const best = shifts.indexOf(Math.min(...shifts));
  return ring.map((_, i) => ring[(i + best) % ring.length]!);
}
