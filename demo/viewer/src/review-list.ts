/** A list of annotations to be looked at, worst first, and what a person has said of each. Nothing here knows of a page. */

import { readCsv } from './csv';

export type Verdict = 'accepted' | 'rejected' | 'corrected' | 'gone';

/** What is known of an annotation before anybody has looked. */
export interface Facts {
  annotation: number;
  image: number;
  /** 0 to 1; null where nobody has told. */
  confidence: number | null;
  isDoubtful: boolean;
  doubts: string[];
  /** The outline before a refine, WKT; null where there was none. */
  before: string | null;
  /** The outline that is to be looked at, WKT; empty where it is not known. */
  location: string;
}

export interface Item extends Facts {
  verdict: Verdict | null;
}

export interface List {
  /** What is reviewed, as a person says it. */
  title: string;
  items: Item[];
  at: number;
}

/** Doubtful ones first, then by confidence; those of which nothing is known come last. */
export function listOf(title: string, facts: readonly Facts[]): List {
  const worth = ({ isDoubtful, confidence }: Facts): number => (confidence ?? 2) - (isDoubtful ? 4 : 0);
  const seen = new Set<number>();
  const once = facts.filter(({ annotation }) => !seen.has(annotation) && seen.add(annotation));
  const items = [...once].sort((one, other) => worth(one) - worth(other) || one.annotation - other.annotation);
  return { title, items: items.map((each) => ({ ...each, verdict: null })), at: 0 };
}

export const currentOf = ({ items, at }: List): Item | null => items[at] ?? null;

/** The list with a verdict on the current item, gone on to the next that has none. */
export function judged(list: List, verdict: Verdict | null): List {
  const items = list.items.map((each, i) => (i === list.at ? { ...each, verdict } : each));
  return { ...list, items, at: verdict === null ? list.at : nextOpen(items, list.at) };
}

/** Leave the current item for later. */
export const skipped = (list: List): List => ({ ...list, at: nextOpen(list.items, list.at) });

/** Go back to the item before, whatever was said of it. */
export const back = (list: List): List => ({ ...list, at: Math.max(0, list.at - 1) });

/** Take the verdict on an item back, and go to it. */
export const reopened = (list: List, at: number): List => judged({ ...list, at }, null);

/** The place of the next item without a verdict, round the end; past the end where there is none. */
function nextOpen(items: readonly Item[], at: number): number {
  for (let step = 1; step <= items.length; step++) {
    const place = (at + step) % items.length;
    if (items[place]!.verdict === null) return place;
  }
  return items.length;
}

export interface Progress {
  done: number;
  all: number;
  by: Record<Verdict, number>;
}

export function progressOf({ items }: List): Progress {
  const by = { accepted: 0, rejected: 0, corrected: 0, gone: 0 };
  for (const { verdict } of items) if (verdict) by[verdict]++;
  return { done: items.filter(({ verdict }) => verdict !== null).length, all: items.length, by };
}

/** What is worth a look of a batch refine: dry runs and what failed is not. */
const LOOKED_AT = new Set(['changed', 'unchanged', 'doubtful', 'unknown', '']);

/** Read the report of a batch refine, or any CSV file with a column `annotation`; the newest line of each counts. */
export function factsOfReport(text: string, image: number): Facts[] {
  const newest = new Map<number, Facts>();
  for (const row of readCsv(text)) {
    const annotation = Number(row.annotation ?? row.id);
    if (!Number.isInteger(annotation) || annotation <= 0) continue;
    if (LOOKED_AT.has(row.outcome ?? '')) newest.set(annotation, factsOf(row, annotation, image));
    else newest.delete(annotation);
  }
  return [...newest.values()];
}

function factsOf(row: Record<string, string>, annotation: number, image: number): Facts {
  const told = row.confidence || row.score;
  const confidence = told && Number.isFinite(Number(told)) ? Number(told) : null;
  const wasWritten = (row.outcome ?? '') === 'changed';
  return {
    annotation,
    image: Number(row.image) || image,
    confidence,
    isDoubtful: row.outcome === 'doubtful',
    doubts: (row.doubts ?? '').split('\n').filter(Boolean),
    before: (wasWritten && row.previous_location) || null,
    location: (wasWritten && row.location) || '',
  };
}
