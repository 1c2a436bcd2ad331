import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { Polygon } from 'ol/geom';
import { fromExtent } from 'ol/geom/Polygon';
import { afterEach, describe, expect, it } from 'vitest';

import { Problem } from '../src/api';
import { isSameObject, overlap } from '../src/proposals-overlap';
import { BINS, ProposalSet, shareOf } from '../src/proposals-set';
import { valuesOf } from '../src/proposals-stream';
import { type Progress, type Proposal, propose } from '../src/proposals-wire';
import type { Similar } from '../src/similar';
import { searchText } from '../src/similar-words';

const square = (x: number, side = 10): Polygon => fromExtent([x, 0, x + side, side]);
const proposal = (key: number, more: Partial<Proposal> = {}): Proposal => ({
  key,
  shape: square(20 * key),
  score: 0.9,
  confidence: null,
  likeness: null,
  area: 100,
  isDoubtful: false,
  doubts: [],
  ...more,
});

const line = (key: number, more: object = {}): string =>
  `${JSON.stringify({
    type: 'Feature',
    geometry: { type: 'Polygon', coordinates: square(20 * key).getCoordinates() },
    properties: { proposal: key, score: 0.8, confidence: 0.7, likeness: 0.6, area_px0: 100, tile: 1, tiles: 2, ...more },
  })}\n`;

let server: Server | null = null;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = null;
});

/** A server of one answer; gives its address. */
async function serving(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const listening = (server = createServer(handle));
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${listening.address().port}`;
}

/** What the viewer's API does, at another address. */
const asker = (address: string) => ({
  propose: async (_image: number, question: object, signal: AbortSignal) =>
    (await fetch(address, { method: 'POST', body: JSON.stringify(question), signal })).body!,
});

const question = { region: 7, like: [1, 2], unlike: [3] };

async function asked(address: string, signal = new AbortController().signal) {
  const told: [Proposal, Progress][] = [];
  const ended = await propose(asker(address), 5, question, signal, (...each) => void told.push(each));
  return { ended, told };
}

describe('an answer of lines', () => {
  const body = (...parts: (string | Uint8Array)[]): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(typeof part === 'string' ? new TextEncoder().encode(part) : part);
        controller.close();
      },
    });
  const all = async (stream: ReadableStream<Uint8Array>): Promise<unknown[]> => {
    const values: unknown[] = [];
    for await (const each of valuesOf(stream)) values.push(each);
    return values;
  };

  it('is read however it is cut, also in the middle of a letter', async () => {
    const bytes = new TextEncoder().encode('{"a":"µ"}\n\n{"b":2}');
    const cuts = [...bytes].map((byte) => Uint8Array.of(byte));
    expect(await all(body(...cuts))).toEqual([{ a: 'µ' }, { b: 2 }]);
  });

  it('with a line that is no JSON is a problem, after what came before it', async () => {
    const values = valuesOf(body('1\n<html>\n'));
    expect((await values.next()).value).toBe(1);
    await expect(values.next()).rejects.toBeInstanceOf(Problem);
  });
});

describe('asking for proposals', () => {
  it('tells of each as it comes, and how it ended', async () => {
    let sent = '';
    const address = await serving(async (request, response) => {
      for await (const part of request) sent += new TextDecoder().decode(part);
      response.write(line(1) + line(2, { tile: 2, likeness: null, doubtful: true, doubts: ['Faint.'] }).slice(0, 30));
      response.end(`${line(2, { tile: 2, likeness: null, doubtful: true, doubts: ['Faint.'] }).slice(30)}{"done":true,"stopped":"limit","tiles":3,"tiles_left":9,"model":{"name":"m"}}\n`);
    });
    const { ended, told } = await asked(address);
    expect(JSON.parse(sent)).toEqual({ annotation_id: 7, like: [1, 2], unlike: [3] });
    expect(told.map(([each, { tile }]) => [each.key, each.likeness, each.isDoubtful, tile])).toEqual([
      [1, 0.6, false, 1],
      [2, null, true, 2],
    ]);
    expect(told[1]![0].doubts).toEqual(['Faint.']);
    expect(ended).toEqual({ stopped: 'limit', model: 'm', searched: 3, left: 9 });
  });

  it('leaves out what has no area', async () => {
    const flat = JSON.stringify({ geometry: { type: 'Point', coordinates: [1, 2] }, properties: { proposal: 1, score: 1 } });
    const address = await serving((_, response) => response.end(`${flat}\n{"done":true}\n`));
    expect((await asked(address)).told).toEqual([]);
  });

  it('gives the problem that the answer ends with', async () => {
    const problem = { type: 'urn:cytomine-refine:platform-timeout', title: 'Too slow', status: 504, detail: 'PIMS took too long.' };
    const address = await serving((_, response) => response.end(`${line(1)}${JSON.stringify({ done: false, problem })}\n`));
    await expect(asked(address)).rejects.toMatchObject({ title: 'Too slow', detail: 'PIMS took too long.', status: 504 });
  });

  it('says so where the connection is lost, or the end is missing', async () => {
    const broken = await serving((_, response) => {
      response.write(line(1), () => response.destroy());
    });
    await expect(asked(broken)).rejects.toMatchObject({ title: 'The search broke off' });
    server!.close();
    const endless = await serving((_, response) => response.end(line(1)));
    await expect(asked(endless)).rejects.toMatchObject({ title: 'The search broke off' });
  });

  it('closes the connection when it is given up', async () => {
    const abort = new AbortController();
    const closed = new Promise<void>((resolve) => {
      void serving((request, response) => {
        response.on('close', resolve);
        response.write(line(1));
        request.resume();
      }).then((address) => propose(asker(address), 5, question, abort.signal, () => abort.abort()).catch(() => undefined));
    });
    await closed;
    expect(abort.signal.aborted).toBe(true);
  });
});

describe('the proposals of a search', () => {
  const set = (): ProposalSet => {
    const made = new ProposalSet();
    made.add(proposal(1, { likeness: 0.93 }));
    made.add(proposal(2, { likeness: 0.52 }));
    made.add(proposal(3, { likeness: 0.71 }), 'annotated');
    return made;
  };

  it('are shown from a threshold on, and counted', () => {
    const some = set();
    expect(some.counts).toEqual({ all: 3, shown: 3, chosen: 2, dropped: 0, annotated: 1 });
    some.threshold = 0.7;
    expect(some.counts).toEqual({ all: 3, shown: 2, chosen: 1, dropped: 0, annotated: 1 });
    expect(some.chosen.map(({ key }) => key)).toEqual([1]);
    expect(some.order.map(({ key }) => key)).toEqual([3, 1]);
  });

  it('are dropped and taken back, those that are annotated already too', () => {
    const some = set();
    some.toggle(some.all[0]!);
    some.toggle(some.all[2]!);
    expect(some.chosen.map(({ key }) => key)).toEqual([2, 3]);
    some.toggle(some.all[0]!);
    expect(some.chosen.map(({ key }) => key)).toEqual([1, 2, 3]);
  });

  it('are sifted by likeness, by confidence without examples, by score without a calibration', () => {
    const measured = (more: Partial<Proposal>): string => {
      const made = new ProposalSet();
      made.add(proposal(1, more));
      return made.measure;
    };
    expect([measured({ likeness: 0.5 }), measured({ confidence: 0.5 }), measured({})]).toEqual(['Likeness', 'Confidence', 'Score']);
  });

  it('have a histogram from the lowest twentieth to 1, with all of them in it', () => {
    const some = set();
    expect(some.floor).toBeCloseTo(0.5);
    expect(some.histogram).toHaveLength(BINS);
    expect(some.histogram.reduce((sum, each) => sum + each, 0)).toBe(3);
    expect([shareOf(0.5, 0.5), shareOf(1, 0.5), shareOf(1, 1)]).toEqual([0, 1, 1]);
  });
});

describe('a search that ran out of time', () => {
  const text = (ended: object): string => searchText({ set: new ProposalSet(), progress: { tile: 0, tiles: 0 }, ended } as unknown as Similar);

  it('says how much of the region it has seen, if the service does', () => {
    const stopped = 'deadline';
    expect(text({ stopped, searched: 300, left: 1200 })).toContain('The time was up after 300 of 1,500 parts: choose');
    expect(text({ stopped, searched: 300, left: 0 })).toContain('The time was up: choose');
  });
});

describe('outlines of the same object', () => {
  it('cover each other by half of both', () => {
    expect(overlap(square(0), square(0))).toBeCloseTo(1);
    expect(overlap(square(0), square(5))).toBeCloseTo(1 / 3);
    expect(overlap(square(0), square(20))).toBe(0);
    expect(isSameObject(square(0), square(3))).toBe(true);
    expect(isSameObject(square(0), square(4))).toBe(false);
    expect(isSameObject(square(0), fromExtent([-50, -50, 50, 50]))).toBe(false);
  });
});
