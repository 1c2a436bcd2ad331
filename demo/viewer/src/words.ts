/** What a person is told. */

import type { Problem } from './api';
import type { Refinement } from './types';

export type Kind = 'success' | 'warning' | 'info';

/** Kind, title and detail of the message after a refine. Whether there is doubt is the service's to say. */
export function summary(refinement: Refinement): [Kind, string, string] {
  const count = refinement.points_used.length;
  const used = count === 0 ? '' : count === 1 ? ', 1 point used' : `, ${count} points used`;
  const kept = refinement.points_not_deleted.length;
  const left = kept === 0 ? '' : ` ${kept === 1 ? '1 point' : `${kept} points`} could not be deleted.`;
  const told = [`Confidence ${refinement.score.toFixed(2)}${used}.${left}`, ...doubtsOf(refinement)].join(' ');
  if (!refinement.changed) return ['info', 'No object found: the outline is unchanged', told];
  return [doubtsOf(refinement).length ? 'warning' : 'success', 'Outline refined', told];
}

export const doubtsOf = (refinement: Refinement): string[] => refinement.doubts ?? [];

/** The problem, and that what is shown has been loaded again, where something may have been written. */
export const loadedAgain = ({ detail }: Problem): string =>
  sentences(detail, 'The outline may have been changed; it was loaded again.');

/** Join what is told, each with its full stop; Core's own words often lack it. */
export const sentences = (...told: string[]): string =>
  told.filter(Boolean).map((text) => (/[.!?]$/.test(text) ? text : `${text}.`)).join(' ');
