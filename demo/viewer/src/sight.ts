/** Which annotations are seen, on the map and in the list, and how strongly. Nothing here knows of a page. */

import type { Annotation, Refinement } from './types';
import { isDoubtful } from './words';

export const STATES = {
  refined: 'Refined here',
  doubtful: 'Doubtful',
  plain: 'Not refined here',
  unsaved: 'Not saved',
} as const;
export type State = keyof typeof STATES;

/** Null lets everything through. */
export interface Filter {
  term: number | 'none' | null;
  state: State | null;
}

export interface Look {
  /** Opacity of fills, 0 to 1. */
  fill: number;
  /** Opacity of whatever is drawn of an annotation, 0.1 to 1. */
  strength: number;
}

export const EVERYTHING: Filter = { term: null, state: null };
export const USUAL: Look = { fill: 0.08, strength: 1 };

/** What is known of an annotation here and now. */
export interface Known {
  refinement: Refinement | undefined;
  isUnsaved: boolean;
}

export function passes({ term }: Pick<Annotation, 'term'>, { refinement, isUnsaved }: Known, filter: Filter): boolean {
  return hasTerm(term, filter.term) && isIn(filter.state, refinement, isUnsaved);
}

const hasTerm = (terms: readonly number[], wanted: Filter['term']): boolean =>
  wanted === null || (wanted === 'none' ? terms.length === 0 : terms.includes(wanted));

function isIn(state: State | null, refinement: Refinement | undefined, isUnsaved: boolean): boolean {
  switch (state) {
    case null:
      return true;
    case 'refined':
      return refinement !== undefined;
    case 'doubtful':
      return refinement !== undefined && isDoubtful(refinement);
    case 'plain':
      return refinement === undefined && !isUnsaved;
    case 'unsaved':
      return isUnsaved;
  }
}

export const isFiltering = ({ term, state }: Filter): boolean => term !== null || state !== null;

/** Read what was kept; whatever is not understood is as usual. */
export function readSight(text: string | null): { filter: Filter; look: Look } {
  const { filter, look } = (parsed(text) ?? {}) as { filter?: Partial<Filter>; look?: Partial<Look> };
  const [term, state] = [filter?.term ?? null, filter?.state ?? null];
  return {
    filter: {
      term: typeof term === 'number' || term === 'none' ? term : null,
      state: state !== null && Object.hasOwn(STATES, state) ? state : null,
    },
    look: { fill: between(look?.fill, 0, 1, USUAL.fill), strength: between(look?.strength, 0.1, 1, USUAL.strength) },
  };
}

const between = (value: unknown, least: number, most: number, otherwise: number): number =>
  typeof value === 'number' && value >= least && value <= most ? value : otherwise;

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
}
