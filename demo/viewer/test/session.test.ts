import { describe, expect, it } from 'vitest';

import { boxOf, dryRun, predicted, prediction, refined } from '../src/outlines';
import { keep, kept } from '../src/preview-store';
import { clickAt, neighbour, opened, type Outline, placeOf, proposed, redone, type Session, undone, withClick, withoutClick } from '../src/session';
import type { Refinement } from '../src/types';

const SQUARE = 'POLYGON((0 0,10 0,10 10,0 10,0 0))';
const SMALL = 'POLYGON((2 2,4 2,4 4,2 4,2 2))';
const origin = { image: 2, user: 3, annotation: null, shape: SQUARE, label: 'Rectangle' };
const drawn = opened(1, origin);
const plus = { x: 1, y: 2, label: 1 } as const;
const minus = { x: 8, y: 9, label: 0 } as const;

const square = { type: 'Polygon', coordinates: [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]] };
const outline = (more: Partial<Outline> = {}): Outline => ({
  location: SQUARE,
  confidence: 0.9,
  isCalibrated: false,
  doubts: [],
  isDoubtful: false,
  proposals: [
    { index: 0, score: 0.9, location: SQUARE },
    { index: 1, score: 0.5, location: SMALL },
    { index: 2, score: 0.1, location: null },
  ],
  proposal: 0,
  box: null,
  ticket: null,
  timings: {},
  ...more,
});

describe('clicks', () => {
  it('are put, removed, undone and redone, one deed at a time', () => {
    const two = withClick(withClick(drawn, plus), minus);
    expect(two.clicks).toEqual([plus, minus]);
    const one = withoutClick(two, 0);
    expect(one.clicks).toEqual([minus]);
    expect(undone(one)!.clicks).toEqual([plus, minus]);
    expect(undone(undone(one)!)!.clicks).toEqual([plus]);
    expect(redone(undone(one)!)!.clicks).toEqual([minus]);
  });

  it('have nothing to undo or redo at first, and nothing to redo after a new one', () => {
    expect(undone(drawn)).toBeNull();
    expect(redone(drawn)).toBeNull();
    expect(redone(withClick(undone(withClick(drawn, plus))!, minus))).toBeNull();
  });

  it('keep proposal and detail when they are undone', () => {
    const session: Session = { ...withClick(drawn, plus), proposal: 1, detail: 32 };
    expect(undone(session)).toMatchObject({ clicks: [], proposal: 1, detail: 32 });
  });

  it('are found within reach, the nearest first', () => {
    const two = withClick(withClick(drawn, plus), { x: 3, y: 2, label: 0 });
    expect(clickAt(two, 2.5, 2, 5)).toBe(1);
    expect(clickAt(two, 1.2, 2, 5)).toBe(0);
    expect(clickAt(two, 9, 9, 5)).toBe(-1);
    expect(clickAt(drawn, 1, 2, 5)).toBe(-1);
  });

  it('survive with the whole session', () => {
    const again = opened(7, origin, withClick(drawn, plus));
    expect(again).toMatchObject({ key: 7, clicks: [plus], past: [[]] });
  });
});

describe('proposals', () => {
  it('go round those that show an object', () => {
    expect(neighbour(drawn, outline(), 1)).toBe(1);
    expect(neighbour({ ...drawn, proposal: 1 }, outline({ proposal: 1 }), 1)).toBe(0);
    expect(neighbour(drawn, outline(), -1)).toBe(1);
    expect(placeOf({ ...drawn, proposal: 1 }, outline())).toEqual({ at: 2, of: 2 });
  });

  it('come back to the single mask, where the service takes that by itself', () => {
    const own: Session = { ...drawn, own: 'single' };
    expect(placeOf(own, outline({ proposal: 'single' }))).toEqual({ at: 1, of: 3 });
    expect(neighbour(own, outline({ proposal: 'single' }), 1)).toBe(0);
    expect(neighbour({ ...own, proposal: 1 }, outline({ proposal: 1 }), 1)).toBe('single');
  });

  it('are none where there is no other', () => {
    const alone = outline({ proposals: [{ index: 0, score: 1, location: SQUARE }] });
    expect(neighbour(drawn, alone, 1)).toBeNull();
    expect(neighbour(drawn, outline({ proposals: [] }), 1)).toBeNull();
  });

  it('are shown before they are asked for', () => {
    expect(proposed(outline(), 1)).toBe(SMALL);
    expect(proposed(outline(), 2)).toBeNull();
    expect(proposed(outline(), 'single')).toBeNull();
  });
});

describe('what travels', () => {
  it('asks for a shape by its box and its labelled points', () => {
    const session: Session = { ...withClick(drawn, minus), proposal: 2, detail: 16 };
    const asked = prediction(session) as { geometry: { geometry: object } };
    expect(asked).toMatchObject({ image_id: 2, proposal: 2, detail: 16 });
    expect(asked).toMatchObject({ points: [{ geometry: { coordinates: [8, 9] }, properties: { label: 0 } }] });
    expect(asked.geometry.geometry).toMatchObject({ type: 'Polygon' });
    expect(prediction(drawn)).not.toHaveProperty('proposal');
    expect(prediction(drawn)).not.toHaveProperty('detail');
  });

  it('asks for an annotation by its first box, whatever its shape is now', () => {
    const session = opened(1, { ...origin, annotation: 4 }, { box: [-5, -5, 20, 20], clicks: [plus] });
    expect(dryRun(session, false)).toEqual({ dryRun: true, points: 'ignore', box: [-5, -5, 20, 20], clicks: [plus] });
    expect(dryRun(session, true)).toMatchObject({ points: 'auto' });
    expect(boxOf(drawn)).toEqual([0, 0, 10, 10]);
  });

  it('reads what the service says, and an older one that says less', () => {
    const told = { score: 0.8, timings_ms: {} };
    const proposals = [{ index: 1 as const, score: 0.3, geometry: square }, { index: 2 as const, score: 0, geometry: null }];
    const all = predicted({ geometry: square, properties: { ...told, confidence: 0.6, doubtful: true, doubts: ['Hm.'], proposals } });
    expect(all).toMatchObject({ location: SQUARE, confidence: 0.6, isDoubtful: true, doubts: ['Hm.'], ticket: null });
    expect(all.proposals.map((each) => each.location)).toEqual([SQUARE, null]);
    expect(predicted({ geometry: square, properties: told })).toMatchObject({ confidence: 0.8, isDoubtful: false, proposals: [] });
  });

  it('has nothing to accept of an annotation without the text to accept it by', () => {
    const answer = { location: SQUARE, score: 0.7, timings_ms: {}, preview: null } as unknown as Refinement;
    expect(refined(answer)).toBeNull();
    expect(refined({ ...answer, preview: 'text' })).toMatchObject({ location: SQUARE, ticket: 'text' });
  });
});

describe('what is kept over a reload', () => {
  const storage = (): Storage => {
    const items = new Map<string, string>();
    return { getItem: (key: string) => items.get(key) ?? null, setItem: (key: string, value: string) => items.set(key, value) } as unknown as Storage;
  };

  it('comes back', () => {
    const there = storage();
    const all = { open: [{ session: withClick(drawn, plus), sent: null }], prompts: [] };
    keep(all, there);
    expect(kept(there)).toEqual(all);
  });

  it.each(['', 'no json', '[]', '{"open": 1}', 'null'])('is nothing where it is %j', (text) => {
    const there = storage();
    there.setItem('previews', text);
    expect(kept(there)).toEqual({ open: [], prompts: [] });
  });

  it('does without a store that is full', () => {
    const full = { setItem: () => { throw new Error('full'); } } as unknown as Storage;
    expect(() => keep({ open: [], prompts: [] }, full)).not.toThrow();
  });
});
