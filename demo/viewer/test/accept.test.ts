import { describe, expect, it } from 'vitest';

import { type Batch, count, isFinished, itemOf, type Ports, run } from '../src/accept-batch';
import { stepMade } from '../src/accept-undo';
import { batchEnd, batchStep } from '../src/accept-words';
import { type Api, Problem } from '../src/api';
import type { Annotation } from '../src/types';

const USER = 3;
const square = (x: number): string => `POLYGON((${x} 0,${x + 9} 0,${x + 9} 9,${x} 9,${x} 0))`;
const lost = new Problem('Cytomine cannot be reached', '', 0, null, true);
const unreachable = new Problem('Cytomine cannot be reached', '', 0);

/** What Core does with annotations, and what can go wrong on the way. Each create takes the next of `faults`. */
class Core {
  readonly all = new Map<number, Annotation>([[1, this.annotation(1, square(0))]]);
  readonly faults: ('fine' | 'sent twice' | 'lost before' | 'lost after' | Problem)[] = [];
  isDown = false;
  inFlight = 0;
  most = 0;
  private readonly removed = new Map<number, Annotation>();
  private last = 1;

  private annotation(id: number, location: string, term: number[] = []): Annotation {
    return { id, image: 5, user: USER, location, created: 1, updated: 1, term, nbComments: 0 };
  }

  create = async (_image: number, location: string, terms: number[] = []) => {
    this.most = Math.max(this.most, ++this.inFlight);
    await Promise.resolve();
    this.inFlight--;
    if (this.isDown) throw lost;
    const fault = this.faults.shift() ?? 'fine';
    if (fault instanceof Problem) throw fault;
    if (fault === 'lost before') throw lost;
    const made = this.annotation(++this.last, location, terms);
    this.all.set(made.id, made);
    if (fault === 'lost after') throw lost;
    if (fault === 'sent twice') this.all.set(++this.last, this.annotation(this.last, location, terms));
    return { message: '', annotation: made, command: 1000 + made.id };
  };

  annotations = async () => {
    if (this.isDown) throw unreachable;
    return [...this.all.values()];
  };

  annotation_ = async (id: number) => {
    const found = this.all.get(id);
    if (!found) throw new Problem('Not found', '', 404);
    return found;
  };

  remove = async (id: number) => {
    if (this.isDown) throw unreachable;
    this.removed.set(2000 + id, this.all.get(id)!);
    this.all.delete(id);
    return { message: '', annotation: this.removed.get(2000 + id)!, command: 2000 + id };
  };

  command = async (command: number) => {
    const back = this.removed.get(command)!;
    this.all.set(back.id, back);
    return [{ id: back.id, isGone: false }];
  };

  get api(): Api {
    return { ...this, annotation: this.annotation_ } as unknown as Api;
  }

  /** Annotations at each place, the first excepted. */
  get places(): string[] {
    return [...this.all.values()].filter(({ id }) => id > 1).map(({ location }) => location).sort();
  }
}

const batch = (size: number): Batch => ({
  key: 'a',
  image: 5,
  user: USER,
  terms: [8],
  after: 1,
  items: Array.from({ length: size }, (_, i) => itemOf(square(20 * i), 0.5, false)),
});
const wanted = (of: Batch): string[] => of.items.map(({ location }) => location).sort();

const ports = (core: Core, kept: string[] = []): Ports => ({
  api: core.api,
  keep: async (of, changed) => void changed.forEach((at) => kept.push(of.items[at]!.state)),
  stored: () => undefined,
  pause: async () => undefined,
});
const going = new AbortController().signal;

describe('a batch', () => {
  it('stores each proposal once, with the terms, few at a time, and says first that it will', async () => {
    const [core, some, kept] = [new Core(), batch(12), [] as string[]];
    expect(await run(some, ports(core, kept), going)).toBeNull();
    expect(core.places).toEqual(wanted(some));
    expect([...core.all.values()].slice(1).every(({ term }) => term[0] === 8)).toBe(true);
    expect(core.most).toBe(3);
    expect(kept.slice(0, 3)).toEqual(['sent', 'sent', 'sent']);
    expect(isFinished(some)).toBe(true);
  });

  it.each([
    ['was written', 'lost after'],
    ['was not written', 'lost before'],
  ] as const)('looks for what %s when an answer was lost, and stores nothing twice', async (_, fault) => {
    const [core, some] = [new Core(), batch(7)];
    core.faults.push('fine', fault, 'fine', fault);
    expect(await run(some, ports(core), going)).toBeNull();
    expect(core.places).toEqual(wanted(some));
    expect(new Set(some.items.map(({ made }) => made!.id)).size).toBe(7);
  });

  it('removes what the browser has sent twice by itself', async () => {
    const [core, some] = [new Core(), batch(4)];
    core.faults.push('fine', 'sent twice', 'sent twice');
    expect(await run(some, ports(core), going)).toBeNull();
    expect(core.places).toEqual(wanted(some));
  });

  it('does not take an older annotation at the same place, or somebody else’s, for what it has sent', async () => {
    const [core, some] = [new Core(), batch(1)];
    core.all.set(2000, { ...[...core.all.values()][0]!, id: 2000, user: USER + 1 });
    core.faults.push('lost before');
    await run(some, ports(core), going);
    expect(some.items[0]!.made!.id).toBe(2);
  });

  it('goes on after it was left in the middle', async () => {
    const [core, some] = [new Core(), batch(4)];
    core.faults.push('fine');
    const stop = new AbortController();
    const halting = { ...ports(core), stored: () => stop.abort() };
    expect(await run(some, halting, stop.signal)).toBeNull();
    expect(isFinished(some)).toBe(false);
    some.items.find(({ state }) => state === 'waiting')!.state = 'sent'; // as a page that was closed has kept it
    expect(await run(structuredClone(some), ports(core), going)).toBeNull();
    expect(core.places).toEqual(wanted(some));
  });

  it('stops with the problem when Core is down, and goes on when it is back', async () => {
    const [core, some] = [new Core(), batch(5)];
    core.isDown = true;
    expect(await run(some, ports(core), going)).toBe(unreachable);
    expect(core.places).toEqual([]);
    core.isDown = false;
    expect(await run(some, ports(core), going)).toBeNull();
    expect(core.places).toEqual(wanted(some));
  });

  it('stops where nothing may be stored, and passes over what cannot be', async () => {
    const forbidden = new Problem('Cytomine refused this', 'Read only.', 403);
    const invalid = new Problem('Cytomine refused this', 'Invalid geometry.', 400);
    const [core, some] = [new Core(), batch(5)];
    core.faults.push(forbidden, forbidden, forbidden);
    expect(await run(some, ports(core), going)).toBe(forbidden);
    expect(count(some, 'waiting')).toBe(5);
    core.faults.push(invalid);
    expect(await run(some, ports(core), going)).toBeNull();
    expect([count(some, 'stored'), count(some, 'refused')]).toEqual([4, 1]);
    expect(batchEnd(4, some.items.filter(({ state }) => state === 'refused'))).toEqual([
      'warning',
      '4 annotations added',
      'Cytomine refused 1. Invalid geometry. Press Z to undo the others.',
    ]);
  });

  it('gives up where answers are lost again and again', async () => {
    const [core, some] = [new Core(), batch(3)];
    core.faults.push(...Array.from({ length: 30 }, () => 'lost before' as const));
    expect(await run(some, ports(core), going)).toBe(lost);
    expect(core.places).toEqual([]);
  });
});

describe('taking a batch back', () => {
  async function stored(core: Core) {
    const some = batch(4);
    await run(some, ports(core), going);
    return some.items.map(({ made }) => made!);
  }

  it('removes what nobody has changed, says what it left, and can be redone', async () => {
    const core = new Core();
    const made = await stored(core);
    core.all.set(3, { ...core.all.get(3)!, location: square(500) });
    core.all.set(4, { ...core.all.get(4)!, term: [9] });
    core.all.delete(5);
    const outcome = await stepMade(core.api, made, 'undo');
    expect([...core.all.keys()].sort()).toEqual([1, 3, 4]);
    expect([outcome.done.length, outcome.changed.length, outcome.left.length]).toEqual([2, 2, 0]);
    expect(batchStep.told(outcome, 'undo')).toEqual(['warning', 'Undone', '2 annotations taken back. 2 were changed since, and stay.']);
    await stepMade(core.api, outcome.done, 'redo');
    expect([...core.all.keys()].sort()).toEqual([1, 2, 3, 4]);
  });

  it('can be tried again where it stopped', async () => {
    const core = new Core();
    const made = await stored(core);
    core.isDown = true;
    const first = await stepMade(core.api, made, 'undo');
    expect([first.done.length, first.left.length]).toEqual([0, 4]);
    expect(batchStep.failed(first, 'undo').detail).toBe('0 were taken back, 4 are left. Press Z to go on.');
    core.isDown = false;
    expect((await stepMade(core.api, first.left, 'undo')).done).toHaveLength(4);
    expect([...core.all.keys()]).toEqual([1]);
  });
});
