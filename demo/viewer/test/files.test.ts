import type { Polygon } from 'ol/geom';
import { describe, expect, it } from 'vitest';

import { Problem } from '../src/api';
import { coco, oneLine } from '../src/coco';
import { featureCollection } from '../src/geojson';
import { readGeoJson } from '../src/geojson-read';
import { readLocation } from '../src/geometry';
import { leftOut, without, withTerms } from '../src/importing';
import type { Annotation, ImageInstance } from '../src/types';

const image = { id: 9, instanceFilename: 'a.tif', width: 200, height: 100 } as ImageInstance;
const terms = [{ id: 5, name: 'Glands', color: '#ff0000' }, { id: 6, name: 'nuclei', color: '#00ff00' }];
const people = { users: new Map(), terms: new Map(terms.map((each) => [each.id, each])), refinements: new Map() };
const SQUARE = 'POLYGON((10 10,30 10,30 30,10 30,10 10))';
const RING = 'POLYGON((50 50,90 50,90 90,50 90,50 50),(60 60,60 80,80 80,80 60,60 60))';
const PARTS = 'MULTIPOLYGON(((100 10,110 10,110 20,100 10)),((120 10,130 10,130 20,120 10)))';
const annotation = (id: number, location: string, term: number[] = []): Annotation =>
  ({ id, image: 9, user: 1, location, created: 0, updated: 0, term, nbComments: 0 });
const all = [annotation(1, SQUARE, [5]), annotation(2, RING, [6]), annotation(3, PARTS), annotation(4, 'POINT(7 8)'), annotation(5, 'LINESTRING(1 1,5 5)')];

const feature = (geometry: unknown, properties: unknown = {}) => ({ type: 'Feature', geometry, properties });
const square = { type: 'Polygon', coordinates: [[[10, 70], [30, 70], [30, 90], [10, 90], [10, 70]]] };
const read = (file: unknown) => readGeoJson(JSON.stringify(file), image);
const titleOf = (text: string): string => {
  try {
    readGeoJson(text, image);
    return 'fine';
  } catch (error) {
    return (error as Problem).title;
  }
};

describe('GeoJSON', () => {
  it('comes back as it went out', () => {
    const { found, left } = readGeoJson(JSON.stringify(featureCollection(image, all, people)), image);
    expect(found.map(({ location }) => location)).toEqual(all.map(({ location }) => location));
    expect(found.map(({ name }) => name)).toEqual(['Glands', 'nuclei', null, null, null]);
    expect(left.size).toBe(0);
    expect(without(found, all)).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['a collection', { type: 'FeatureCollection', features: [feature(square)] }],
    ['a list, as QuPath writes it', [feature(square)]],
    ['one feature', feature(square)],
    ['a bare geometry', square],
    ['a file that says its y goes up', { frame: { y: 'up' }, type: 'FeatureCollection', features: [feature({ type: 'Polygon', coordinates: [[[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]] })] }],
  ])('is read from %s', (_, file) => {
    const [found] = read(file).found;
    expect(readLocation(found!.location).getExtent()).toEqual([10, 10, 30, 30]);
  });

  it.each<[unknown, string | null]>([
    [{ classification: { name: 'Tumor' } }, 'Tumor'],
    [{ classification: 'Tumor' }, 'Tumor'],
    [{ term: 'Tumor' }, 'Tumor'],
    [{ class: ' Tumor ' }, 'Tumor'],
    [{ classification: { names: ['a', 'b'] } }, null],
    [null, null],
  ])('names the class by %o', (properties, name) => expect(read(feature(square, properties)).found[0]!.name).toBe(name));

  it.each([
    ['', 'This file is not GeoJSON'],
    ['{"type": "FeatureCollection", "features": [', 'This file is not GeoJSON'],
    ['\u0000\u0001PNG', 'This file is not GeoJSON'],
    ['null', 'This file is not GeoJSON'],
    ['42', 'This file is not GeoJSON'],
    ['{"type": "FeatureCollection", "features": {}}', 'This file is not GeoJSON'],
    ['[]', 'This file is empty'],
    ['{"type": "FeatureCollection", "features": []}', 'This file is empty'],
    ['{"type": "FeatureCollection", "image": {"width": 1, "height": 2}, "features": [{}]}', 'This file belongs to another slide'],
  ])('refuses %j as a whole', (text, title) => expect(titleOf(text)).toBe(title));

  it('leaves out what is rubbish, says why, and keeps the rest', () => {
    const { found, left } = read([
      feature(square),
      null,
      7,
      feature(null),
      feature({ type: 'GeometryCollection', geometries: [] }),
      feature({ type: 'Polygon', coordinates: [[[0, 0], ['x', 1], [2, 2], [0, 0]]] }),
      feature({ type: 'Polygon', coordinates: 'none' }),
      feature({ type: 'Polygon', coordinates: [] }),
      feature({ type: 'Polygon', coordinates: [[[0, 0], [1e999, 0], [5, 5], [0, 0]]] }),
      feature({ type: 'Polygon', coordinates: [[[900, 900], [910, 900], [910, 910], [900, 900]]] }),
      feature({ type: 'Polygon', coordinates: [[[1, 1], [9, 9], [1, 1], [1, 1]]] }),
      feature({ type: 'Point', coordinates: [500, 5] }),
    ]);
    expect(found).toHaveLength(1);
    expect(Object.fromEntries(left)).toEqual({
      'without a geometry': 3,
      'of type GeometryCollection': 1,
      'with broken coordinates': 4,
      'outside of the slide': 2,
      'without an area': 1,
    });
  });

  it('mends a line that crosses itself', () => {
    const bowtie = { type: 'Polygon', coordinates: [[[0, 0], [20, 20], [20, 0], [0, 20], [0, 0]]] };
    const [found] = read(feature(bowtie)).found;
    expect((readLocation(found!.location) as Polygon).getArea()).toBeCloseTo(200, -1);
  });
});

describe('importing', () => {
  const found = (location: string, name: string | null = null) => ({ location, name });

  it('takes nothing twice, from the slide or from the file', () =>
    expect(without([found(SQUARE), found(RING), found(RING)], [annotation(1, SQUARE)])).toEqual([found(RING)]));

  it('takes what only looks alike', () => {
    const moved = SQUARE.replaceAll('30', '31');
    expect(without([found(moved)], [annotation(1, SQUARE)])).toEqual([found(moved)]);
  });

  it('knows an outline again that Core has simplified', () => {
    const circle = (corners: number): string => {
      const ring = Array.from({ length: corners }, (_, i) => (2 * Math.PI * i) / corners).map((a) => `${(60 + 30 * Math.cos(a)).toFixed(3)} ${(50 + 30 * Math.sin(a)).toFixed(3)}`);
      return `POLYGON((${[...ring, ring[0]].join(',')}))`;
    };
    expect(without([found(circle(400))], [annotation(1, circle(90))])).toEqual([]);
    expect(without([found(circle(40))], [annotation(1, circle(39))])).toHaveLength(1);
  });

  it('gives terms by their names, and tells of those that the project lacks', () => {
    const { items, unknown } = withTerms([found(SQUARE, 'glands'), found(RING, 'Stroma'), found(PARTS)], terms);
    expect(items.map((each) => each.terms)).toEqual([[5], [], []]);
    expect([...unknown]).toEqual([['Stroma', 1]]);
    expect(leftOut({ found: [], left: new Map([['outside of the slide', 2]]) }, 1, unknown)).toBe(
      '1 annotation is on the slide already. 2 features outside of the slide left out. The project has no term “Stroma”: 1 annotation has none.',
    );
  });
});

describe('COCO', () => {
  const file = coco(image, all, people.terms);

  it('says its frame and its slide, and has no points or lines', () => {
    expect(file.info.frame).toEqual({ unit: 'level-0 pixel', origin: 'top left', y: 'down' });
    expect(file.images).toEqual([{ id: 9, file_name: 'a.tif', width: 200, height: 100 }]);
    expect(file.annotations.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it('numbers the classes from 1', () => {
    expect(file.categories.map(({ id, name }) => [id, name])).toEqual([[1, 'Glands'], [2, 'no term'], [3, 'nuclei']]);
    expect(file.annotations.map(({ category_id }) => category_id)).toEqual([1, 3, 2]);
  });

  it('has y down', () => expect(file.annotations[0]).toMatchObject({ bbox: [10, 70, 20, 20], area: 400, iscrowd: 0 }));

  it('has a line for each part', () => expect(file.annotations[2]!.segmentation).toHaveLength(2));

  it('goes into holes and out of them', () => {
    const [line] = file.annotations[1]!.segmentation;
    const corners = Array.from({ length: line!.length / 2 }, (_, i) => [line![2 * i]!, line![2 * i + 1]!]);
    expect(Math.abs(shoelace(corners))).toBe(40 * 40 - 20 * 20);
    expect(file.annotations[1]!.area).toBe(1200);
  });

  it('does so with several holes, wherever they are', () => {
    const holed = readLocation('POLYGON((0 0,90 0,90 90,0 90,0 0),(10 10,10 20,20 20,20 10,10 10),(40 40,40 60,60 60,60 40,40 40),(70 10,70 20,80 20,80 10,70 10))') as Polygon;
    expect(Math.abs(shoelace(oneLine(holed)))).toBe(8100 - 100 - 400 - 100);
  });
});

const shoelace = (ring: number[][]): number =>
  ring.reduce((sum, [x = 0, y = 0], i) => {
    const [nx = 0, ny = 0] = ring[(i + 1) % ring.length]!;
    return sum + (x * ny - nx * y) / 2;
  }, 0);
