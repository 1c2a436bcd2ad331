import { Polygon } from 'ol/geom';
import { describe, expect, it } from 'vitest';

import {
  areaMeasure,
  areaOf,
  flipped,
  flipY,
  isArea,
  isSamePlace,
  lengthMeasure,
  measureText,
  micronsOf,
  perimeterOf,
  promptsOf,
  readLocation,
  roundLength,
  shapeOf,
  shapeTools,
  verticesOf,
  writeLocation,
} from '../src/geometry';
import type { Annotation } from '../src/types';

const SQUARE = 'POLYGON((10 10,50 10,50 40,10 40,10 10))';
const RING = 'POLYGON((0 0,10 0,10 10,0 10,0 0),(2 2,8 2,8 8,2 8,2 2))';

describe('frames', () => {
  it('turns the platform frame over, and back', () => {
    expect(flipY([3, 10], 100)).toEqual([3, 90]);
    expect(flipY(flipY([3, 10.25], 100), 100)).toEqual([3, 10.25]);
  });

  it('turns whole shapes, and leaves the given one alone', () => {
    const given = readLocation(SQUARE);
    const turned = flipped(given, 100);
    expect(turned.getExtent()).toEqual([10, 60, 50, 90]);
    expect(given.getExtent()).toEqual([10, 10, 50, 40]);
    expect(writeLocation(flipped(turned, 100))).toBe(SQUARE);
  });
});

describe('measures', () => {
  it.each([
    [SQUARE, 1200, 140],
    [RING, 64, 64],
    ['MULTIPOLYGON(((0 0,1 0,1 1,0 1,0 0)),((5 5,7 5,7 7,5 7,5 5)))', 5, 12],
    ['LINESTRING(0 0,3 4)', 0, 5],
    ['POINT(4 4)', 0, 0],
  ])('%s', (location, area, perimeter) => {
    const geometry = readLocation(location);
    expect(areaOf(geometry)).toBeCloseTo(area, 9);
    expect(perimeterOf(geometry)).toBeCloseTo(perimeter, 9);
    expect(isArea(geometry)).toBe(area > 0);
  });

  it('tells microns where the slide has a size, else pixels', () => {
    expect(areaMeasure(1600, 0.25)).toEqual({ value: 100, unit: 'µm²' });
    expect(areaMeasure(4e7, 0.25)).toEqual({ value: 2.5, unit: 'mm²' });
    expect(areaMeasure(1600, null)).toEqual({ value: 1600, unit: 'px²' });
    expect(lengthMeasure(400, 0.25)).toEqual({ value: 100, unit: 'µm' });
    expect(lengthMeasure(8000, 0.25)).toEqual({ value: 2, unit: 'mm' });
  });

  it.each([
    [0.25, 0.25],
    [21.2, 21.2],
    [1000, null], // a file that says 1 pixel per millimetre
    [84.7, null], // 300 dots per inch
    [0, null],
    [-1, null],
    [null, null],
  ])('takes a physical size of %s for %s', (given, microns) => expect(micronsOf(given)).toBe(microns));

  it.each([
    [12345.6, '12,346 µm²'],
    [87.46, '87.5 µm²'],
    [1.234, '1.23 µm²'],
  ])('writes %d as %s', (value, text) => expect(measureText({ value, unit: 'µm²' })).toBe(text));

  it.each([
    [130, 100],
    [99, 50],
    [0.7, 0.5],
    [20, 20],
  ])('finds a round length below %d: %d', (most, length) => expect(roundLength(most)).toBeCloseTo(length, 12));
});

describe('places', () => {
  it.each([
    ['POLYGON((10 10,50 10,50 40,10 10))', true],
    ['POLYGON((10.4 10,50 10,50 39.5,10 40,10.4 10))', true],
    ['POLYGON((10 10,52 10,52 40,10 40,10 10))', false],
  ])('%s fills the box of the square: %s', (other, isSame) => expect(isSamePlace(SQUARE, other)).toBe(isSame));
});

describe('vertices', () => {
  it.each([
    [SQUARE, 4],
    [RING, 8],
    ['LINESTRING(0 0,3 4)', 2],
    ['POINT(4 4)', 0],
  ])('%s', (location, count) => expect(verticesOf(readLocation(location))).toHaveLength(count));
});

describe('shapes of corners', () => {
  it('makes a rectangle of any two opposite corners', () => {
    expect(areaOf(shapeOf('rectangle', [[50, 10], [10, 40]])!)).toBe(1200);
  });

  it('makes a circle of a centre and a rim', () => {
    const circle = shapeOf('circle', [[100, 100], [130, 140]])!;
    expect(circle).toBeInstanceOf(Polygon);
    expect(areaOf(circle) / (Math.PI * 50 ** 2)).toBeCloseTo(1, 2);
  });

  it('closes a polygon', () => {
    expect(writeLocation(shapeOf('polygon', [[0, 0], [4, 0], [4, 4]])!)).toBe('POLYGON((0 0,4 0,4 4,0 0))');
  });

  it.each(shapeTools.filter((tool) => tool !== 'point'))('makes no %s of one corner', (tool) => {
    expect(shapeOf(tool, [[1, 1]])).toBeNull();
  });

  it.each(['rectangle', 'circle', 'polygon'] as const)('makes no flat %s', (tool) => {
    expect(shapeOf(tool, [[1, 1], [1, 1], [1, 1]])).toBeNull();
  });
});

describe('prompts', () => {
  const annotation = (id: number, location: string, more: Partial<Annotation> = {}): Annotation => ({
    id, image: 1, user: 7, location, created: 0, updated: 0, term: [], nbComments: 0, ...more,
  });
  const target = annotation(1, SQUARE, { term: [5] });

  it.each<[string, Annotation, boolean]>([
    ['a point in the box', annotation(2, 'POINT(20 20)'), true],
    ['a point outside', annotation(2, 'POINT(60 20)'), false],
    ["somebody else's", annotation(2, 'POINT(20 20)', { user: 8 }), false],
    ['a point of the same term', annotation(2, 'POINT(20 20)', { term: [5] }), true],
    ['a point of another term', annotation(2, 'POINT(20 20)', { term: [6] }), false],
    ['a point with a comment', annotation(2, 'POINT(20 20)', { nbComments: 1 }), false],
    ['a shape in the box', annotation(2, 'POLYGON((20 20,30 20,30 30,20 20))'), false],
  ])('%s', (_, other, counts) => {
    expect(promptsOf(target, [target, other], 7)).toEqual(counts ? [other] : []);
  });
});
