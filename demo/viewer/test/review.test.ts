import { describe, expect, it } from 'vitest';

import { readCsv } from '../src/csv';
import { back, currentOf, type Facts, factsOfReport, judged, listOf, progressOf, reopened, skipped } from '../src/review-list';
import { keepList, keptList } from '../src/review-store';
import { endText, itemText } from '../src/review-words';

const facts = (annotation: number, confidence: number | null, isDoubtful = false): Facts => ({
  annotation,
  image: 5,
  confidence,
  isDoubtful,
  doubts: [],
  before: null,
  location: '',
});
const list = () => listOf('Review', [facts(1, 0.9), facts(2, null), facts(3, 0.4), facts(4, 0.8, true), facts(3, 0.1)]);

describe('a list under review', () => {
  it('has doubtful ones first, then the least sure, each once, the unknown last', () => {
    expect(list().items.map(({ annotation }) => annotation)).toEqual([4, 3, 1, 2]);
  });

  it('goes on by itself, comes back to what was left, and ends', () => {
    let now = judged(list(), 'accepted');
    expect(currentOf(now)!.annotation).toBe(3);
    now = skipped(now);
    now = judged(judged(now, 'rejected'), 'corrected');
    expect(currentOf(now)!.annotation).toBe(3); // the one that was left for later
    now = judged(now, 'gone');
    expect(currentOf(now)).toBeNull();
    expect(progressOf(now)).toEqual({ done: 4, all: 4, by: { accepted: 1, rejected: 1, corrected: 1, gone: 1 } });
    expect(endText(now)).toBe('4 annotations reviewed: 1 accepted, 1 corrected, 1 rejected, 1 no longer there.');
  });

  it('goes back, and takes a verdict again', () => {
    const now = back(judged(list(), 'accepted'));
    expect(currentOf(now)!.annotation).toBe(4);
    const again = reopened(judged(list(), 'rejected'), 0);
    expect(currentOf(again)!.verdict).toBeNull();
    expect(progressOf(again).done).toBe(0);
  });

  it('is kept for each user, and a store that is broken is empty', () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    } as unknown as Storage;
    keepList(3, list(), storage);
    expect(keptList(3, storage)).toEqual(list());
    expect(keptList(4, storage)).toBeNull();
    kept.set('review of 3', '{"items":');
    expect(keptList(3, storage)).toBeNull();
    keepList(3, null, storage);
    expect(kept.size).toBe(0);
  });

  it('says of each how sure the service was', () => {
    expect(itemText({ ...facts(1, 0.412, true), verdict: null }, 'Shape 1', 'nuclei')).toBe('Shape 1, nuclei. Confidence 0.41. The service doubts it.');
    expect(itemText({ ...facts(1, null), before: 'POLYGON EMPTY', verdict: null }, 'Shape 1', '')).toBe(
      'Shape 1. Confidence not known. Hold C to see the shape before.',
    );
  });
});

describe('the report of a batch refine', () => {
  const header = 'annotation,image,outcome,score,confidence,doubts,previous_location,location\n';

  it('tells confidence, doubts and the shape before; the newest line of an annotation counts', () => {
    const text =
      `${header}7,5,failed,,,,,\r\n7,5,changed,0.7,0.61,"Faint, ""maybe"".\nIn parts.","POLYGON((0 0,1 0,1 1,0 0))","POLYGON((0 0,2 0,2 2,0 0))"\r\n` +
      '8,6,doubtful,0.2,,,,\r\n9,5,changed,0.9,0.9,,a,b\r\n9,5,undone,,,,,\r\n10,5,would change,0.5,0.5,,a,b\r\n';
    expect(factsOfReport(text, 1)).toEqual([
      {
        annotation: 7,
        image: 5,
        confidence: 0.61,
        isDoubtful: false,
        doubts: ['Faint, "maybe".', 'In parts.'],
        before: 'POLYGON((0 0,1 0,1 1,0 0))',
        location: 'POLYGON((0 0,2 0,2 2,0 0))',
      },
      { annotation: 8, image: 6, confidence: 0.2, isDoubtful: true, doubts: [], before: null, location: '' },
    ]);
  });

  it('may be any list of numbers, on the slide that is open', () => {
    expect(factsOfReport('annotation\n3\nno number\n4\n', 5).map(({ annotation, image }) => [annotation, image])).toEqual([
      [3, 5],
      [4, 5],
    ]);
    expect(factsOfReport('<html>', 5)).toEqual([]);
  });

  it('is read with quotes, line breaks and empty cells as they are', () => {
    expect(readCsv('\uFEFFa,b\n1,"x\r\n""y"""\n,\n2,')).toEqual([
      { a: '1', b: 'x\r\n"y"' },
      { a: '2', b: '' },
    ]);
  });
});
