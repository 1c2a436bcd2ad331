/** Whether two outlines are of the same object. */

import { area, booleanOp, ClipType, FillRule } from 'clipper2-ts';
import { intersects } from 'ol/extent';
import type { MultiPolygon, Polygon } from 'ol/geom';

import { polygonsOf } from './geometry';

type Area = Polygon | MultiPolygon;

/** Share of the area covered by both in that covered by either, from which two outlines count as one object. */
export const SAME_OBJECT = 0.5;
/** Steps per pixel: as many digits as a location is written with. */
const STEPS = 1000;

export function overlap(one: Area, other: Area): number {
  if (!intersects(one.getExtent(), other.getExtent())) return 0;
  const [a, b] = [pathsOf(one), pathsOf(other)];
  const both = sum(booleanOp(ClipType.Intersection, a, b, FillRule.EvenOdd));
  const either = sum(booleanOp(ClipType.Union, a, b, FillRule.EvenOdd));
  return either > 0 ? both / either : 0;
}

/** The same, told without clipping where the boxes alone say no. */
export function isSameObject(one: Area, other: Area): boolean {
  const [small, large] = [one.getArea(), other.getArea()].sort((a, b) => a - b) as [number, number];
  return small >= SAME_OBJECT * large && overlap(one, other) >= SAME_OBJECT;
}

type Paths = NonNullable<Parameters<typeof booleanOp>[1]>;

const pathsOf = (shape: Area): Paths =>
  polygonsOf(shape).flatMap((polygon) =>
    polygon.getCoordinates().map((ring) => ring.slice(1).map(([x = 0, y = 0]) => ({ x: Math.round(x * STEPS), y: Math.round(y * STEPS) }))),
  );

const sum = (paths: Paths): number => Math.abs(paths.reduce((total, path) => total + area(path), 0));
