/** What a person is told. */

import type { Problem } from './api';
import type { Preview } from './queue';
import type { Refinement } from './types';

export type Kind = 'success' | 'warning' | 'info';

/** Kind, title and detail of the message after a refine. Whether there is doubt is the service's to say. */
export function summary(refinement: Refinement): [Kind, string, string] {
  const count = refinement.points_used.length;
  const used = count === 0 ? '' : count === 1 ? ', 1 point used' : `, ${count} points used`;
  const kept = refinement.points_not_deleted.length;
  const left = kept === 0 ? '' : ` ${kept === 1 ? '1 point' : `${kept} points`} could not be deleted.`;
  const told = [`Confidence ${confidenceOf(refinement).toFixed(2)}${used}.${left}`, ...doubtsOf(refinement)].join(' ');
  if (!refinement.changed) return ['info', 'No object found: the outline is unchanged', told];
  return [isDoubtful(refinement) ? 'warning' : 'success', 'Outline refined', told];
}

/** What is said of an open preview; `waiting` shapes were drawn since. Keys are named to whoever has some. */
export function previewText(preview: Preview, size: string, waiting: number, hasKeys: boolean): string {
  const more = waiting ? ` ${waiting === 1 ? '1 more shape waits' : `${waiting} more shapes wait`} meanwhile.` : '';
  return stateText(preview, size, hasKeys) + more;
}

function stateText({ outline, isAsking, isAccepting, problem, isHeld, session }: Preview, size: string, hasKeys: boolean): string {
  const [accept, discard] = hasKeys ? ['Enter accepts', 'Esc discards'] : ['Accept keeps', 'Discard drops'];
  if (isAccepting) return 'Writing the outline…';
  if (problem) return sentences(problem.title);
  if (isAsking) return 'Looking for the outline…';
  if (!outline) return session.annotation === null ? 'No object found. Click on it, or keep your shape.' : 'No object found. Click on it.';
  if (outline.isDoubtful) return `The service doubts this outline (${size}). A click corrects it, ${accept} it anyway, ${discard} it.`;
  if (isHeld) return `Outline of ${size}. ${accept} it, ${discard} it.`;
  return `Outline of ${size}. ${accept} it, and so does drawing the next shape; ${discard} it.`;
}

/** The same once a preview was accepted. */
export function accepted(refinement: Refinement): [Kind, string, string] {
  const told = [`Confidence ${confidenceOf(refinement).toFixed(2)}.`, ...doubtsOf(refinement)].join(' ');
  return [isDoubtful(refinement) ? 'warning' : 'success', 'Outline accepted', told];
}

export const confidenceOf = ({ confidence, score }: Refinement): number => confidence ?? score;

/** The service says so; an older one only has doubts. */
export const isDoubtful = (refinement: Refinement): boolean => refinement.doubtful ?? doubtsOf(refinement).length > 0;

export const doubtsOf = (refinement: Refinement): string[] => refinement.doubts ?? [];

/** The problem, and that what is shown has been loaded again, where something may have been written. */
export const loadedAgain = ({ detail }: Problem): string =>
  sentences(detail, 'The outline may have been changed; it was loaded again.');

/** Join what is told, each with its full stop; Core's own words often lack it. */
export const sentences = (...told: string[]): string =>
  told.filter(Boolean).map((text) => (/[.!?]$/.test(text) ? text : `${text}.`)).join(' ');
