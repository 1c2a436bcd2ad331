/** Whether a shape is valid is asked of the library that Core asks too, JTS. */

import IsValidOp from 'jsts/org/locationtech/jts/operation/valid/IsValidOp.js';
import WKTReader from 'jsts/org/locationtech/jts/io/WKTReader.js';
import { Polygon, type Geometry } from 'ol/geom';
import { describe, expect, it } from 'vitest';

import { areaOf, polygonsOf, readLocation, writeLocation } from '../src/geometry';
import { sound } from '../src/sound';

const isValid = (location: string): boolean => new IsValidOp(new WKTReader().read(location)).isValid();
const mended = (location: string): Geometry | null => sound(readLocation(location));

/** Numbers from 0 to 1, the same at every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

/** A line drawn by an unsteady hand, a little more than once around. */
function lasso(random: () => number): Polygon {
  const [corners, turns, scale, phase] = [20 + 200 * random(), 1 + 0.3 * random(), 0.2 + 20 * random(), 6 * random()];
  const ring = Array.from({ length: Math.floor(corners) }, (_, i) => {
    const angle = phase + (i / corners) * turns * 2 * Math.PI;
    const radius = 90 * (1 + 0.3 * Math.sin(3 * angle)) + 8 * random();
    return [5000 + Math.round(radius * Math.cos(angle)) * scale, 3000 + Math.round(radius * Math.sin(angle)) * scale];
  });
  return new Polygon([[...ring, ring[0]!]]);
}

function scribble(random: () => number): Polygon {
  const ring = Array.from({ length: 5 + Math.floor(20 * random()) }, () => [Math.round(400 * random()), Math.round(400 * random())]);
  return new Polygon([[...ring, ring[0]!]]);
}

describe('sound', () => {
  it.each([
    'POLYGON((10 10,50 10,50 40,10 40,10 10))',
    'POLYGON((0 0,10 0,10 10,0 10,0 0),(2 2,8 2,8 8,2 8,2 2))',
    'MULTIPOLYGON(((0 0,1 0,1 1,0 1,0 0)),((5 5,7 5,7 7,5 7,5 5)))',
    'LINESTRING(0 0,3 4)',
    'POINT(4 4)',
  ])('leaves %s as it is', (location) => {
    const given = readLocation(location);
    expect(sound(given)).toBe(given);
  });

  it('keeps both halves of a bow tie', () => {
    const tie = mended('POLYGON((450 300,650 450,650 300,450 450,450 300))')!;
    expect(tie.getType()).toBe('MultiPolygon');
    for (const half of polygonsOf(tie)) expect(areaOf(half)).toBeCloseTo(7500, -1);
    expect(isValid(writeLocation(tie))).toBe(true);
  });

  it('keeps what the line goes around twice', () => {
    const twice = 'POLYGON((0 0,100 0,100 100,0 100,0 -20,60 -20,60 50,0 0))';
    const whole = mended(twice)!;
    expect(whole.getType()).toBe('Polygon');
    expect(isValid(writeLocation(whole))).toBe(true);
    expect(areaOf(whole)).toBeCloseTo(100 * 100 + 60 * 20, -1);
  });

  it('drops the crumb where the ends of the line cross', () => {
    const crossed = mended('POLYGON((0 0,100 0,100 100,0 100,0 -1,-1 0,0 0))')!;
    expect(polygonsOf(crossed)).toHaveLength(1);
    expect(areaOf(crossed)).toBeCloseTo(10000, -1);
  });

  it('closes a corner that touches another side', () => {
    expect(isValid('POLYGON((0 0,10 0,10 10,5 0,0 10,0 0))')).toBe(false);
    expect(isValid(writeLocation(mended('POLYGON((0 0,10 0,10 10,5 0,0 10,0 0))')!))).toBe(true);
  });

  it('keeps holes', () => {
    const holed = mended('POLYGON((0 0,100 0,100 100,50 -20,0 100,0 0),(10 5,20 5,20 15,10 15,10 5))')!;
    expect(polygonsOf(holed).flatMap((part) => part.getLinearRings()).length).toBe(polygonsOf(holed).length + 1);
    expect(isValid(writeLocation(holed))).toBe(true);
  });

  it.each(['POLYGON((0 0,10 10,20 20,0 0))', 'POLYGON((5 5,5 5,5 5,5 5))', 'POLYGON((0 0,10 0,0 0,10 0,0 0))'])(
    'makes nothing of %s, which has no area',
    (location) => expect(mended(location)).toBeNull(),
  );

  it.each([
    ['lassos', lasso],
    ['scribbles', scribble],
  ])('makes %s valid', (_, drawn) => {
    const random = numbers(20261128);
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const given = drawn(random);
      const whole = sound(given);
      if (!isValid(writeLocation(given))) refused++;
      if (whole) expect(isValid(writeLocation(whole)), writeLocation(given)).toBe(true);
    }
    expect(refused).toBeGreaterThan(200);
  });
});
