import { describe, expect, it } from 'vitest';

import { touchedBy } from '../src/api';
import { rowAfter, rowsInSight, scrolledTo } from '../src/rows';
import { EVERYTHING, passes, readSight, USUAL } from '../src/sight';
import { colourOf, PLAIN } from '../src/terms';
import { keepVisit, keptVisit } from '../src/visit';
import type { Refinement } from '../src/types';

describe('what is seen', () => {
  const sure = { doubts: [], doubtful: false } as unknown as Refinement;
  const doubtful = { doubts: ['Cut off.'], doubtful: true } as unknown as Refinement;
  const known = (refinement?: Refinement, isUnsaved = false) => ({ refinement, isUnsaved });

  it.each([
    [[5], 5, true],
    [[5, 6], 6, true],
    [[5], 6, false],
    [[], 5, false],
    [[], 'none' as const, true],
    [[5], 'none' as const, false],
    [[5], null, true],
  ])('of terms %j, the filter %j: %s', (term, wanted, is) => expect(passes({ term }, known(), { term: wanted, state: null })).toBe(is));

  it.each([
    ['refined' as const, [true, true, false, false]],
    ['doubtful' as const, [false, true, false, false]],
    ['plain' as const, [false, false, true, false]],
    ['unsaved' as const, [false, false, false, true]],
    [null, [true, true, true, true]],
  ])('in state %s', (state, is) => {
    const all = [known(sure), known(doubtful), known(), known(undefined, true)];
    expect(all.map((each) => passes({ term: [] }, each, { term: null, state }))).toEqual(is);
  });

  it('wants both, term and state', () => {
    expect(passes({ term: [5] }, known(sure), { term: 5, state: 'refined' })).toBe(true);
    expect(passes({ term: [6] }, known(sure), { term: 5, state: 'refined' })).toBe(false);
  });

  it('is kept', () => {
    const sight = { filter: { term: 5, state: 'doubtful' as const }, look: { fill: 0.3, strength: 0.5 } };
    expect(readSight(JSON.stringify(sight))).toEqual(sight);
  });

  it.each([null, '', '{', '7', '{"filter":{"term":{},"state":"toString"},"look":{"fill":9,"strength":"1"}}'])(
    'is as usual where %j was kept',
    (text) => expect(readSight(text)).toEqual({ filter: EVERYTHING, look: USUAL }),
  );
});

describe('rows', () => {
  it('are those in sight, with some around them', () => {
    expect(rowsInSight(0, 100, 10, 10_000, -1)).toEqual(Array.from({ length: 19 }, (_, i) => i));
    const middle = rowsInSight(5000, 100, 10, 10_000, -1);
    expect([middle[0], middle.at(-1)]).toEqual([492, 518]);
  });

  it('end with the list', () => {
    expect(rowsInSight(0, 100, 10, 3, -1)).toEqual([0, 1, 2]);
    expect(rowsInSight(0, 100, 10, 0, -1)).toEqual([]);
    expect(rowsInSight(99_900, 100, 10, 10_000, -1).at(-1)).toBe(9999);
    expect(rowsInSight(99_900, 100, 10, 5, -1)).toEqual([4]); // the list has become shorter under the scroll
  });

  it('hold on to the chosen one, in its place', () => {
    expect(rowsInSight(5000, 100, 10, 10_000, 3)[0]).toBe(3);
    expect(rowsInSight(5000, 100, 10, 10_000, 9000).at(-1)).toBe(9000);
    expect(rowsInSight(5000, 100, 10, 10_000, 500).filter((row) => row === 500)).toHaveLength(1);
    expect(rowsInSight(0, 100, 10, 3, 7)).toEqual([0, 1, 2]);
  });

  it.each([
    [3, 100, 30],
    [12, 0, 30],
    [12, 30, 30],
    [12, 200, 120],
  ])('row %d is brought in sight from %d', (row, scrolled, to) => expect(scrolledTo(row, scrolled, 100, 10)).toBe(to));

  it.each<[string, number, number | null]>([
    ['ArrowDown', -1, 0],
    ['ArrowDown', 4, 5],
    ['ArrowDown', 99, 99],
    ['ArrowUp', 0, 0],
    ['ArrowUp', -1, 0],
    ['PageDown', 4, 14],
    ['PageUp', 4, 0],
    ['Home', 50, 0],
    ['End', 50, 99],
    ['x', 50, null],
  ])('%s from %d', (key, at, next) => expect(rowAfter(key, at, 100, 10)).toBe(next));

  it('has nowhere to go in an empty list', () => expect(rowAfter('End', -1, 0, 10)).toBeNull());
});

describe('terms', () => {
  it.each([
    ['#CC3399', '#cc3399'],
    ['#fff', '#ffffff'],
    ['red', PLAIN],
    ['#12345', PLAIN],
    ['', PLAIN],
  ])('have the colour %j as %s', (color, colour) => expect(colourOf({ color })).toBe(colour));

  it('go with their annotation, or alone', () => {
    const link = { userannotation: 3, term: 5, user: 1 };
    const callback = (method: string) => ({ method: `be.cytomine.${method}Command` });
    expect(touchedBy([{ annotationterm: link, callback: callback('DeleteAnnotationTerm') }])).toEqual([{ id: 3, isGone: false }]);
    const both = [{ annotationterm: link, callback: callback('DeleteAnnotationTerm') }, { annotation: { id: 3 }, callback: callback('DeleteUserAnnotation') }];
    expect(touchedBy(both)).toEqual([{ id: 3, isGone: true }]);
    expect(touchedBy(both.toReversed())).toEqual([{ id: 3, isGone: true }]);
  });
});

describe('a visit', () => {
  class Store {
    readonly all = new Map<string, string>();
    constructor(readonly most = Infinity) {}
    getItem = (key: string): string | null => this.all.get(key) ?? null;
    setItem = (key: string, text: string): void => {
      if (text.length > this.most) throw new Error('full');
      this.all.set(key, text);
    };
  }
  const entry = (n: number) => ({ commands: [n], label: 'Rectangle drawn', annotation: n });
  const refinement = { score: 0.9, proposals: [{ index: 0, score: 1, geometry: {} }] } as unknown as Refinement;
  const visit = { stacks: { undo: Array.from({ length: 100 }, (_, i) => entry(i)), redo: [entry(200)] }, refinements: [[7, refinement]] as [number, Refinement][] };

  it('is taken up again, by whoever it was', () => {
    const store = new Store() as unknown as Storage;
    keepVisit('alice', visit, store);
    const { stacks, refinements } = keptVisit('alice', store);
    expect(stacks.undo.at(-1)).toEqual(entry(99));
    expect(stacks.undo).toHaveLength(60);
    expect(stacks.redo).toEqual([entry(200)]);
    expect(refinements).toEqual([[7, { score: 0.9 }]]);
    expect(keptVisit('bob', store).stacks).toEqual({ undo: [], redo: [] });
  });

  it('keeps the newest where there is little room', () => {
    const store = new Store(2000);
    keepVisit('alice', visit, store as unknown as Storage);
    expect(keptVisit('alice', store as unknown as Storage).stacks.undo.map(({ annotation }) => annotation)).toEqual(Array.from({ length: 15 }, (_, i) => 85 + i));
  });

  it('does without a store', () => {
    keepVisit('alice', visit, new Store(0) as unknown as Storage);
    expect(keptVisit('alice', { getItem: () => '{"stacks":7}' } as unknown as Storage).refinements).toEqual([]);
  });
});
