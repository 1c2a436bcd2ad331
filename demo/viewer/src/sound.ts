/** Drawings whose line crosses itself: Core takes none, so they are made sound before they are sent. */

import { booleanOp, booleanOpWithPolyTree, ClipType, EndType, FillRule, inflatePaths, JoinType, PolyTree64 } from 'clipper2-ts';
import type { Coordinate } from 'ol/coordinate';
import { type Geometry, MultiPolygon, Polygon } from 'ol/geom';

import { polygonsOf } from './geometry';

interface Corner {
  x: number;
  y: number;
}
type Path = Corner[];

/** Steps per pixel: as many digits as a location is written with. */
const STEPS = 1000;
/** A part below this share of the largest is a slip of the hand where the line meets its start. */
const CRUMB = 0.01;

/**
 * Give a shape that Core takes: one whose line crosses itself becomes all that the line goes around, in several parts if
 * need be. A shape that is sound already stays as it is; null if it has no area.
 */
export function sound<G extends Geometry>(geometry: G): G | Polygon | MultiPolygon | null {
  const polygons = polygonsOf(geometry).map((polygon) => polygon.getCoordinates().map(pathOf));
  if (polygons.length === 0 || (polygons.flat().every(hasArea) && isSimple(polygons.flat()))) return geometry;
  const parts = withoutCrumbs(mended(polygons));
  if (parts.length === 0) return null;
  return parts.length === 1 ? parts[0]! : new MultiPolygon(parts.map((part) => part.getCoordinates()));
}

function mended(polygons: Path[][]): Polygon[] {
  const outer = union(polygons.map(([ring]) => ring!));
  const holes = union(polygons.flatMap(([, ...rings]) => rings));
  const whole = holes.length ? booleanOp(ClipType.Difference, outer, holes, FillRule.NonZero) : outer;
  const tree = new PolyTree64();
  booleanOpWithPolyTree(ClipType.Union, apart(whole), null, tree, FillRule.NonZero);
  return polygonsIn(tree);
}

const union = (paths: Path[]): Path[] => booleanOp(ClipType.Union, paths.filter(hasArea), null, FillRule.NonZero);

/** Draw the outline in by a hundredth of a pixel, so that corners which touch another part of the line come free of it. */
function apart(paths: Path[]): Path[] {
  const draw = (from: Path[], steps: number): Path[] => inflatePaths(from, steps, JoinType.Miter, EndType.Polygon, 2);
  return draw(draw(paths, -20), 10);
}

/** The children of a node are the outer rings in it, their children the holes, and so on. */
function polygonsIn(node: PolyTree64): Polygon[] {
  return children(node).flatMap((outer) => {
    const holes = children(outer);
    const rings = [outer, ...holes].map(({ polygon }) => ringOf(polygon!));
    return [new Polygon(rings), ...holes.flatMap(polygonsIn)];
  });
}

const children = (node: PolyTree64): PolyTree64[] => Array.from({ length: node.count }, (_, i) => node.child(i) as PolyTree64);

function withoutCrumbs(parts: Polygon[]): Polygon[] {
  const largest = Math.max(...parts.map((part) => part.getArea()));
  return parts.filter((part) => part.getArea() > largest * CRUMB);
}

const snap = (value: number): number => Math.round(value * STEPS);

/** The corners of a ring in whole steps, each once. */
function pathOf(ring: Coordinate[]): Path {
  const path = ring.map(([x = 0, y = 0]) => ({ x: snap(x), y: snap(y) }));
  return path.filter((corner, i) => !isSame(corner, path.at(i - 1)!));
}

function ringOf(path: Path): Coordinate[] {
  const ring = path.map(({ x, y }) => [x / STEPS, y / STEPS]);
  return [...ring, ring[0]!];
}

const isSame = (one: Corner, other: Corner): boolean => one.x === other.x && one.y === other.y;

/** Two corners make no ring; what is flat with more of them, the union drops. */
const hasArea = (path: Path): boolean => path.length > 2;

/** Whether no two sides of the rings meet but where one follows the other. */
function isSimple(rings: Path[]): boolean {
  const sides = rings.flatMap((ring) => ring.map((from, i) => ({ ring, i, from, to: ring[(i + 1) % ring.length]! })));
  return sides.every((side, at) => sides.every((other, later) => later <= at || agree(side, other)));
}

function agree(one: Side, other: Side): boolean {
  if (follows(one, other)) return !folds(one.from, one.to, other.to);
  if (follows(other, one)) return !folds(other.from, other.to, one.to);
  return !meet(one.from, one.to, other.from, other.to);
}

interface Side {
  ring: Path;
  i: number;
  from: Corner;
  to: Corner;
}

const follows = (one: Side, other: Side): boolean => one.ring === other.ring && (one.i + 1) % one.ring.length === other.i;

/** Twice the area of a triangle, with its sense of turning as sign. */
const turn = (a: Corner, b: Corner, c: Corner): number => (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);

/** Whether the line goes back on itself at `b`. */
const folds = (a: Corner, b: Corner, c: Corner): boolean =>
  turn(a, b, c) === 0 && (b.x - a.x) * (c.x - b.x) + (b.y - a.y) * (c.y - b.y) < 0;

function meet(a: Corner, b: Corner, c: Corner, d: Corner): boolean {
  if (Math.max(a.x, b.x) < Math.min(c.x, d.x) || Math.max(c.x, d.x) < Math.min(a.x, b.x)) return false;
  if (Math.max(a.y, b.y) < Math.min(c.y, d.y) || Math.max(c.y, d.y) < Math.min(a.y, b.y)) return false;
  const differ = (one: number, other: number): boolean => Math.sign(one) * Math.sign(other) <= 0;
  return differ(turn(a, b, c), turn(a, b, d)) && differ(turn(c, d, a), turn(c, d, b));
}
