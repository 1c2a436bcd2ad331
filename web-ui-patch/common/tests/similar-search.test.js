/** A search for others, without a map, a framework or a host; runs with Jest and with vitest. */
/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

import {LineReader, SimilarSearch, worthOf} from '@/components/annotations/refine/similar-search';
import {isSamePlace, wktOf} from '@/components/annotations/refine/store-once';

const square = at => ({type: 'Polygon', coordinates: [[[at, 0], [at + 8, 0], [at + 8, 8], [at, 8], [at, 0]]]});
const line = (proposal, likeness) => JSON.stringify({
  type: 'Feature', geometry: square(10 * proposal), properties: {proposal, likeness, confidence: 0.6, score: 0.7, tile: proposal, tiles: 3}
}) + '\n';
const END = JSON.stringify({done: true, proposals: 3, tiles: 3, stopped: null}) + '\n';
const refusal = status => Object.assign(new Error(), {response: {status}});

function search({text = line(1, 0.9) + line(2, 0.6) + line(3, 0.2) + END, ...on} = {}) {
  return new SimilarSearch({ask: async () => text, store: async ({key}) => ({id: 100 + key}), isExample: () => false, isThere: () => false, ...on});
}

describe('A search for others', () => {
  it('reads lines as they become whole, and overlooks the pulse of silence', () => {
    const reader = new LineReader();
    expect(reader.next('  {"a"')).toEqual([]);
    expect(reader.next('  {"a":1}\n {"b"')).toEqual([{a: 1}]);
    expect(reader.next('  {"a":1}\n {"b":2}\n  ')).toEqual([{b: 2}]);
    expect(reader.next('  {"a":1}\n {"b":2}\n  ')).toEqual([]);
  });

  it('shows what comes at once, and tells how far it is', async () => {
    let told;
    let end;
    const all = line(1, 0.9) + END;
    const running = search({ask: tell => {
      told = tell;
      return new Promise(resolve => {
        end = () => resolve(all);
      });
    }});
    const done = running.run();
    told(line(1, 0.9));
    expect([running.isSearching, running.tile, running.tiles, running.canAccept]).toEqual([true, 1, 3, false]);
    expect(running.chosen.map(({key}) => key)).toEqual([1]);
    end();
    await done;
    expect([running.isSearching, running.canAccept, running.found.length]).toEqual([false, true, 1]);
  });

  it('moves the threshold without asking again, and keeps what is dropped dropped', async () => {
    const done = search();
    await done.run();
    expect(done.shown.map(({key}) => key)).toEqual([1, 2]);
    done.show(0.1);
    done.toggle(2);
    expect(done.shown.map(({key}) => key)).toEqual([1, 2, 3]);
    expect(done.chosen.map(({key}) => key)).toEqual([1, 3]);
    done.toggle(2);
    expect(done.chosen).toHaveLength(3);
  });

  it('counts what is there already, and leaves it out', async () => {
    const done = search({isThere: ({coordinates}) => coordinates[0][0][0] === 20});
    await done.run();
    expect([done.known, done.found.map(({key}) => key)]).toEqual([1, [1, 3]]);
  });

  it('chooses by confidence or score where nothing tells a likeness', () => {
    expect(worthOf({likeness: 0, confidence: 0.6, score: 0.7})).toBe(0);
    expect(worthOf({likeness: null, confidence: 0.6, score: 0.7})).toBe(0.6);
    expect(worthOf({likeness: null, confidence: null, score: 0.7})).toBe(0.7);
  });

  it('leaves the example itself out', async () => {
    const done = search({isExample: ({coordinates}) => coordinates[0][0][0] === 10});
    await done.run();
    expect(done.found.map(({key}) => key)).toEqual([2, 3]);
  });

  it('tells of a problem in the middle, and of an answer without an end', async () => {
    const problem = {status: 502, detail: 'PIMS did not answer.'};
    const broken = search({text: line(1, 0.9) + JSON.stringify({done: false, problem}) + '\n'});
    await expect(broken.run()).rejects.toMatchObject({problem});
    expect(broken.found).toHaveLength(1);
    await expect(search({text: line(1, 0.9)}).run()).rejects.toMatchObject({problem: {}});
  });

  it('stores few at a time, each once', async () => {
    let now = 0;
    let most = 0;
    const sent = [];
    const text = Array.from({length: 9}, (_, at) => line(at + 1, 0.9)).join('') + END;
    const done = search({text, store: async ({key}) => {
      sent.push(key);
      most = Math.max(most, ++now);
      await new Promise(resolve => setTimeout(resolve, 1));
      now--;
      return {id: key};
    }});
    await done.run();
    const {made, failed} = await done.accept();
    expect([made.length, failed, most, done.left.length]).toEqual([9, null, 3, 0]);
    expect([...sent].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(done.canAccept).toBe(false);
  });

  it('goes on after one that Core does not take', async () => {
    const done = search({store: async ({key}) => {
      if (key === 1) {
        throw refusal(422);
      }
      return {id: key};
    }});
    await done.run();
    const {made, failed} = await done.accept();
    expect([made, failed, done.refused.map(({key}) => key)]).toEqual([[{id: 2}], null, [1]]);
    expect(done.left.map(({key}) => key)).toEqual([3]); // below the threshold
  });

  it('stops where nothing can be stored, and goes on with the rest when it is accepted again', async () => {
    const sent = [];
    let works = false;
    const done = search({store: async ({key}) => {
      sent.push(key);
      if (key === 2 && !works) {
        throw refusal(503);
      }
      return {id: key};
    }});
    await done.run();
    const first = await done.accept();
    expect([first.made, first.failed.response.status]).toEqual([[{id: 1}], 503]);
    expect(done.chosen.map(({key}) => key)).toEqual([2]);
    works = true;
    const second = await done.accept();
    expect([second.made, second.failed, sent]).toEqual([[{id: 2}], null, [1, 2, 2]]);
  });

  it('stops storing after those on their way', async () => {
    const text = Array.from({length: 9}, (_, at) => line(at + 1, 0.9)).join('') + END;
    const done = search({text, store: async ({key}) => {
      done.stop();
      return {id: key};
    }});
    await done.run();
    const {made} = await done.accept();
    expect(made.length).toBeGreaterThan(0);
    expect(made.length).toBeLessThan(9);
    expect(done.canAccept).toBe(true);
  });

  it('stops a search and keeps what was found', async () => {
    const running = search({ask: (told, signal) => new Promise((_, reject) => {
      told(line(1, 0.9));
      signal.addEventListener('abort', () => reject(new Error('cancelled')));
    })});
    const done = running.run();
    running.stop();
    await expect(done).rejects.toThrow('cancelled');
    expect(running.canAccept).toBe(true);
  });
});

describe('An outline', () => {
  it('becomes WKT with its holes and parts', () => {
    const hole = [[[0, 0], [9, 0], [9, 9], [0, 0]], [[3, 1], [5, 1], [5, 3.5], [3, 1]]];
    expect(wktOf({type: 'Polygon', coordinates: hole})).toBe('POLYGON ((0 0, 9 0, 9 9, 0 0), (3 1, 5 1, 5 3.5, 3 1))');
    expect(wktOf({type: 'MultiPolygon', coordinates: [hole, hole]})).toMatch(/^MULTIPOLYGON \(\(\(0 0, .*\)\), \(\(0 0, .*\)\)\)$/);
  });

  it('is recognised where Core has left vertices out, and not beside', () => {
    const wkt = at => wktOf(square(at));
    expect(isSamePlace(wkt(10), 'POLYGON ((10 0, 18.4 0, 18 8, 10 0))')).toBe(true);
    expect(isSamePlace(wkt(10), wkt(12))).toBe(false);
    expect(isSamePlace(wkt(10), undefined)).toBe(false);
  });
});
