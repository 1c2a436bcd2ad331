/** What this tab keeps over a reload for each person: what can be undone, and what the service said of outlines. No page here. */

import type { Entry, Stacks } from './history';
import type { Refinement } from './types';

/** Older deeds cannot be undone after a reload. */
const MOST_ENTRIES = 60;
const MOST_REFINEMENTS = 300;

export interface Visit {
  stacks: Stacks;
  refinements: [annotation: number, Refinement][];
}

const NOTHING: Visit = { stacks: { undo: [], redo: [] }, refinements: [] };

/** `who` tells apart persons, and installations that were set up anew under the same address. */
const keyOf = (who: string): string => `visit of ${who}`;

export function keepVisit(who: string, { stacks, refinements }: Visit, storage: Storage = sessionStorage): void {
  const last = <T>(all: readonly T[], most: number): T[] => (most > 0 ? all.slice(-most) : []);
  for (const share of [1, 0.25, 0]) {
    const [entries, most] = [Math.floor(MOST_ENTRIES * share), Math.floor(MOST_REFINEMENTS * share)];
    const kept: Visit = {
      stacks: { undo: last(stacks.undo, entries).map(lean), redo: last(stacks.redo, entries).map(lean) },
      refinements: last(refinements, most).map(([id, each]) => [id, without(each)]),
    };
    try {
      return storage.setItem(keyOf(who), JSON.stringify(kept));
    } catch {
      // A full store takes less; one that is forbidden, nothing
    }
  }
}

export function keptVisit(who: string, storage: Storage = sessionStorage): Visit {
  try {
    const read = JSON.parse(storage.getItem(keyOf(who)) ?? 'null') as Partial<Visit> | null;
    const isWhole = Array.isArray(read?.refinements) && Array.isArray(read.stacks?.undo) && Array.isArray(read.stacks.redo);
    return isWhole ? (read as Visit) : NOTHING;
  } catch {
    return NOTHING;
  }
}

const lean = (entry: Entry): Entry => ({ ...entry, ...(entry.refinement && { refinement: without(entry.refinement) }) });

/** Proposals are large, and of no use once one was accepted. */
function without({ proposals: _, ...rest }: Refinement): Refinement {
  return rest;
}
