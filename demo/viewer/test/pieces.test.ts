import { describe, expect, it } from 'vitest';

import { problemOf } from '../src/api';
import { areaOf, readLocation } from '../src/geometry';
import { featureCollection } from '../src/geojson';
import { deedOf, KEYS } from '../src/keyboard';
import { morph } from '../src/morph';
import { parseRoute, routeText } from '../src/route';
import { durationText, expectedStep } from '../src/steps';
import type { ImageInstance, Refinement } from '../src/types';
import { sentences, summary } from '../src/words';

describe('addresses', () => {
  it.each([
    '#/project/1/image/2',
    '#/project/1/image/2/annotation/3',
    '#/project/1/image/2/annotation/3@4000.0,-12.5,0.5000',
    '#/project/1/image/2@0.0,0.0,16.0000',
  ])('%s there and back', (hash) => expect(routeText(parseRoute(hash)!)).toBe(hash));

  it.each(['', '#', '#/project/1', '#/project/1/image/x', '#/project/1/image/2@1,2'])('%s leads nowhere', (hash) =>
    expect(parseRoute(hash)).toBeNull(),
  );
});

describe('keys', () => {
  const press = (key: string, more = {}) =>
    deedOf({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more });

  it.each([
    ['r', {}, 'refine'],
    ['p', {}, 'point'],
    ['b', {}, 'rectangle'],
    ['z', {}, 'undo'],
    ['Z', { shiftKey: true }, 'redo'],
    ['z', { ctrlKey: true }, 'undo'],
    ['z', { metaKey: true, shiftKey: true }, 'redo'],
    ['y', { ctrlKey: true }, 'redo'],
    ['Delete', {}, 'delete'],
    ['Backspace', {}, 'delete'],
    ['Escape', {}, 'escape'],
    ['?', { shiftKey: true }, 'help'],
    ['r', { ctrlKey: true }, null],
    ['R', { shiftKey: true }, null],
    ['q', {}, null],
  ])('%s %o', (key, more, deed) => expect(press(key, more)).toBe(deed));

  it('has no key twice', () => expect(new Set(KEYS.map(([keys]) => keys)).size).toBe(KEYS.length));
});

describe('problems', () => {
  it('passes those of the service on', () => {
    const text = JSON.stringify({ title: 'The model is busy', detail: 'Later.', status: 503 });
    expect(problemOf(503, 'application/problem+json', text, '3')).toMatchObject({
      title: 'The model is busy', detail: 'Later.', status: 503, retryAfterS: 3,
    });
  });

  it.each([
    ['{"errors":{"message":"No right"},"errorValues":{}}', 'No right'],
    ['{"success":false,"errors":"No right","errorValues":{}}', 'No right'],
  ])("reads Core's %s", (text, detail) => expect(problemOf(403, 'application/json', text, null).detail).toBe(detail));

  it.each([
    ['text/html', '<html>'],
    ['application/json', 'no json'],
    ['application/json', '{}'],
  ])('tells the status of what is neither: %s %s', (kind, text) =>
    expect(problemOf(500, kind, text, null).detail).toContain('500'),
  );
});

describe('whether a refine that failed may have written', () => {
  const problem = (status: number, body: object | string) =>
    problemOf(status, typeof body === 'string' ? 'text/html' : 'application/problem+json', typeof body === 'string' ? body : JSON.stringify(body), null);
  const type = (name: string) => ({ type: `urn:cytomine-refine:${name}`, title: 'T' });

  it.each<[number, object | string, boolean]>([
    [422, { ...type('invalid-prompt'), written: true }, true],
    [502, { ...type('service-absent'), written: false }, false],
    [502, type('service-absent'), true],
    [504, type('service-slow'), true],
    [502, type('service-nonsense'), true],
    [502, type('service-unreachable'), false],
    [504, type('platform-timeout'), false],
    [403, type('not-public'), false],
    [504, { type: 'about:blank', title: 'T' }, true],
    [502, '<html>', true],
    [403, { errors: { message: 'No right' } }, false],
  ])('%d %o: %s', (status, body, may) => expect(problem(status, body).mayHaveWritten).toBe(may));
});

describe('what is told of a refine', () => {
  const refinement = (more: object): Refinement =>
    ({ changed: true, score: 0.31, points_used: [], points_not_deleted: [], ...more }) as unknown as Refinement;

  it.each<[object, string, string]>([
    [{}, 'success', 'Confidence 0.31.'],
    [{ points_used: [1] }, 'success', 'Confidence 0.31, 1 point used.'],
    [{ points_used: [1, 2], points_not_deleted: [2] }, 'success', 'Confidence 0.31, 2 points used. 1 point could not be deleted.'],
    [{ doubts: ['A demo.', 'Look.'] }, 'warning', 'Confidence 0.31. A demo. Look.'],
    [{ changed: false }, 'info', 'Confidence 0.31.'],
  ])('%o', (more, kind, text) => {
    const [told, , detail] = summary(refinement(more));
    expect([told, detail]).toEqual([kind, text]);
  });
});

it('ends every sentence', () => expect(sentences('No right', 'Look.', '')).toBe('No right. Look.'));

describe('steps', () => {
  const last = { validity: 10, box: 1, points: 20, window: 30, encode: 100, decode: 10, postprocess: 20, update: 15 };

  it.each([
    [0, 'validity'],
    [10.5, 'box'],
    [40, 'window'],
    [100, 'encode'],
    [190, 'postprocess' as const],
    [1e9, 'update'],
  ])('after %d ms', (elapsed, step) => expect(expectedStep(elapsed, last)).toBe(step));

  it.each([
    [0.21, '0.2 ms'],
    [84.5, '85 ms'],
    [1234, '1.23 s'],
  ])('writes %d as %s', (ms, text) => expect(durationText(ms)).toBe(text));
});

describe('morph', () => {
  const from = readLocation('POLYGON((0 0,100 0,100 100,0 100,0 0))');
  const to = readLocation('POLYGON((40 40,40 60,60 60,60 40,40 40))');

  it('begins at one shape and ends at the other', () => {
    const between = morph(from, to)!;
    expect(areaOf(between(0)) / areaOf(from)).toBeCloseTo(1, 2);
    expect(areaOf(between(1)) / areaOf(to)).toBeCloseTo(1, 2);
    expect(areaOf(between(0.5))).toBeLessThan(areaOf(from));
  });

  it('knows no way from a point', () => expect(morph(readLocation('POINT(1 1)'), to)).toBeNull());
});

describe('export', () => {
  it('gives features in the slide frame, with who, when and how sure', () => {
    const image = { id: 1, instanceFilename: 'a.tif', width: 80, height: 100 } as ImageInstance;
    const annotation = {
      id: 3, image: 1, user: 7, location: 'POLYGON((0 0,10 0,10 20,0 0))', created: '0', updated: '0', term: [5], nbComments: 0,
    };
    const people = {
      users: new Map([[7, 'alice']]),
      terms: new Map([[5, { id: 5, name: 'glands', color: '#fff' }]]),
      refinements: new Map([[3, { score: 0.9 } as Refinement]]),
    };
    expect(featureCollection(image, [annotation], people)).toEqual({
      type: 'FeatureCollection',
      frame: { unit: 'level-0 pixel', origin: 'top left', y: 'down' },
      image: { id: 1, name: 'a.tif', width: 80, height: 100 },
      features: [
        {
          type: 'Feature',
          id: 3,
          geometry: { type: 'Polygon', coordinates: [[[0, 100], [10, 100], [10, 80], [0, 100]]] },
          properties: {
            objectType: 'annotation',
            created_by: 'alice',
            created_on: '1970-01-01T00:00:00.000Z',
            classification: { name: 'glands' },
            sam_score: 0.9,
          },
        },
      ],
    });
  });
});
