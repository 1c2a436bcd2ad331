/** What a person is told of a search and its proposals. */

import { some } from './accept-words';
import { areaMeasure, measureText } from './geometry';
import type { LeftOut } from './proposals-set';
import { valueOf } from './proposals-set';
import type { Ended, Proposal } from './proposals-wire';
import type { Similar } from './similar';
import { sentences } from './words';

/** How far a search is, or how it ended. */
export function searchText({ isAsking, isBroken, isOld, picking, problem, ended, set, progress }: Similar): string {
  const found = some(set.all.length, 'proposal');
  if (picking) return `Click annotations that are ${picking > 0 ? '' : 'not '}such objects; click again to remove one.`;
  if (isAsking && progress.tiles < 2) return set.all.length ? `${found} so far.` : 'Looking…';
  if (isAsking) return `Part ${progress.tile} of ${progress.tiles}, ${found} so far.`;
  if (isBroken) return sentences(problem!.title, problem!.detail, `The ${found} found so far ${set.all.length > 1 ? 'are' : 'is'} kept.`);
  if (problem && !isOld) return sentences(problem.title, problem.detail);
  if (isOld) return 'Search again to use the new examples or region.';
  if (ended?.stopped === 'limit') return `${found}. There are more: choose a smaller region to see them.`;
  if (ended?.stopped === 'deadline') return `${found}. The time was up${partText(ended)}: choose a smaller region for the rest.`;
  if (!set.all.length) return ended ? 'Nothing was found here.' : 'Stopped before anything was found.';
  return ended ? 'Click a proposal to drop it, click again to restore it. Nothing is stored before you accept.' : `Stopped: ${found} so far.`;
}

/** How much of the region was searched in time. */
function partText({ searched, left }: Ended): string {
  return left ? ` after ${searched.toLocaleString('en')} of ${(searched + left).toLocaleString('en')} parts` : '';
}

export function leftText({ set }: Similar): string {
  const { dropped, annotated } = set.counts;
  const told = [dropped ? `${dropped} dropped` : '', annotated ? `${annotated} annotated already` : ''].filter(Boolean);
  return told.length ? `(${told.join(', ')})` : '';
}

const OUT: Record<LeftOut, string> = { dropped: 'Dropped', annotated: 'Annotated already, left out' };

/** What is known of the proposal that keys mean. */
export function proposalText(proposal: Proposal, leftOut: LeftOut | null, microns: number | null): string {
  const size = measureText(areaMeasure(proposal.area, microns));
  const told = proposal.likeness !== null && proposal.confidence !== null ? `, confidence ${proposal.confidence.toFixed(2)}` : '';
  const what = proposal.likeness !== null ? 'Likeness' : proposal.confidence !== null ? 'Confidence' : 'Score';
  return sentences(`${what} ${valueOf(proposal).toFixed(2)}${told}, ${size}`, ...proposal.doubts, leftOut ? OUT[leftOut] : '');
}
