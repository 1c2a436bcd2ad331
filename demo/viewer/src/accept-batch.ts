/** Proposals that are being accepted: each becomes an annotation once, whatever is lost on the way. No page, no store of its own. */

import { type Api, asProblem, Problem } from './api';
import { isSamePlace, isSameShape } from './geometry';
import type { Annotation } from './types';

/** `sent`: on its way, or its answer was lost, so that Core may have it. */
export type State = 'waiting' | 'sent' | 'stored' | 'refused';

export interface Item {
  /** WKT, platform frame. */
  location: string;
  confidence: number | null;
  isDoubtful: boolean;
  state: State;
  /** What Core has made of it. */
  made: Made | null;
  /** Why Core has refused it. */
  why: string | null;
  /** In place of the batch's. */
  terms?: number[];
}

/** An annotation as it was when it was made, to tell whether anybody has changed it since. */
export interface Made {
  id: number;
  location: string;
  terms: number[];
  /** Core's number for taking its removal back. */
  removal: number | null;
}

export interface Batch {
  key: string;
  image: number;
  user: number;
  terms: number[];
  /** What is done, as a person says it; of older visits there is none. */
  label?: string;
  /** Annotations up to this number were there before. */
  after: number;
  items: Item[];
}

/** What a batch needs of the world. */
export interface Ports {
  api: Pick<Api, 'create' | 'annotations' | 'remove'>;
  /** Keep what has become of items, before it is acted on; may fail without harm to this visit. */
  keep(batch: Batch, changed: readonly number[]): Promise<void>;
  stored(annotation: Annotation, item: Item): void;
  pause(ms: number): Promise<void>;
}

const IN_FLIGHT = 3;
/** When to look for something whose answer was lost, in milliseconds after one another. */
const LOOKS_MS = [0, 400, 1200, 3000];
/** Rounds in which nothing gets stored, before a person is asked. */
const MOST_VAIN = 2;

export const count = ({ items }: Batch, state: State): number => items.filter((each) => each.state === state).length;
export const isFinished = ({ items }: Batch): boolean => items.every(({ state }) => state === 'stored' || state === 'refused');

export const itemOf = (location: string, confidence: number | null, isDoubtful: boolean): Item => ({
  location,
  confidence,
  isDoubtful,
  state: 'waiting',
  made: null,
  why: null,
});

/**
 * Store what is not stored yet. What was on its way when an answer was lost, or the page was left, is looked for in Core
 * first. Ends when all is stored or refused, when the signal says so, or with the `Problem` that it cannot get past.
 */
export async function run(batch: Batch, ports: Ports, signal: AbortSignal): Promise<Problem | null> {
  let vain = 0;
  try {
    while (!isFinished(batch) && !signal.aborted) {
      const before = count(batch, 'stored');
      await lookUp(batch, ports);
      const problem = await send(batch, ports, signal);
      if (problem && !problem.mayHaveWritten) return problem;
      vain = count(batch, 'stored') > before ? 0 : vain + 1;
      if (problem && vain > MOST_VAIN) return problem;
    }
    if (isFinished(batch)) await removeEchoes(batch, ports);
  } catch (error) {
    return asProblem(error);
  }
  return null;
}

/** Send all that wait, few at a time; the first problem that is not about one item alone stops the rest. */
async function send(batch: Batch, ports: Ports, signal: AbortSignal): Promise<Problem | null> {
  const waiting = batch.items.map((item, at) => ({ item, at })).filter(({ item }) => item.state === 'waiting');
  let problem: Problem | null = null;
  const work = async (): Promise<void> => {
    while (waiting.length && !problem && !signal.aborted) {
      const { item, at } = waiting.shift()!;
      problem = (await sendOne(batch, item, at, ports)) ?? problem;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return problem;
}

async function sendOne(batch: Batch, item: Item, at: number, ports: Ports): Promise<Problem | null> {
  item.state = 'sent';
  await ports.keep(batch, [at]);
  try {
    const { annotation } = await ports.api.create(batch.image, item.location, item.terms ?? batch.terms);
    store(batch, item, annotation, ports);
  } catch (error) {
    const problem = asProblem(error);
    if (problem.mayHaveWritten) return problem;
    const isItsOwn = [400, 409, 413, 422].includes(problem.status);
    Object.assign(item, isItsOwn ? { state: 'refused', why: problem.detail || problem.title } : { state: 'waiting' });
    if (!isItsOwn) return problem;
  } finally {
    await ports.keep(batch, [at]);
  }
  return null;
}

function store(batch: Batch, item: Item, annotation: Annotation, { stored }: Ports): void {
  const terms = item.terms ?? batch.terms;
  item.state = 'stored';
  item.made = { id: annotation.id, location: annotation.location, terms, removal: null };
  stored({ ...annotation, term: terms, nbComments: 0 }, item);
}

/** Find out what became of those whose answers were lost. What Core does not have after a while was never written. */
async function lookUp(batch: Batch, ports: Ports): Promise<void> {
  const lost = (): Item[] => batch.items.filter(({ state }) => state === 'sent');
  if (!lost().length) return;
  for (const ms of LOOKS_MS) {
    await ports.pause(ms);
    const fresh = await strays(batch, ports);
    for (const item of lost()) {
      const at = fresh.findIndex(({ location }) => isSamePlace(location, item.location));
      if (at >= 0) store(batch, item, fresh.splice(at, 1)[0]!, ports);
    }
    if (!lost().length) break;
  }
  lost().forEach((item) => (item.state = 'waiting'));
  await ports.keep(batch, batch.items.map((_, at) => at));
}

/** What this person has on the slide since the batch began, and the batch knows nothing of. */
async function strays({ items, image, user, after }: Batch, { api }: Ports): Promise<Annotation[]> {
  const known = new Set(items.flatMap(({ made }) => made?.id ?? []));
  return (await api.annotations(image)).filter((each) => each.user === user && each.id > after && !known.has(each.id));
}

/** Remove what a browser has sent twice by itself: it does so when a connection that was kept open ends without an answer. */
async function removeEchoes(batch: Batch, ports: Ports): Promise<void> {
  for (const { id, location } of await strays(batch, ports)) {
    const isEcho = batch.items.some(({ made }) => made !== null && isSameShape(made.location, location));
    if (isEcho) await ports.api.remove(id);
  }
}
