/** What a person is told while reviewing. */

import { some } from './accept-words';
import { type Item, type List, progressOf } from './review-list';
import { sentences } from './words';

/** How sure the service was of the current item, and what it was called. */
export function itemText({ confidence, isDoubtful, before }: Item, name: string, terms: string): string {
  const sure = confidence === null ? 'Confidence not known' : `Confidence ${confidence.toFixed(2)}`;
  const doubt = isDoubtful ? 'The service doubts it' : '';
  const compare = before !== null ? 'Hold C to see the shape before' : '';
  return sentences(terms ? `${name}, ${terms}` : name, sure, doubt, compare);
}

/** What a rejection does to the current item. */
export const rejectWord = ({ before }: Item): string => (before === null ? 'Delete' : 'Restore');
export const rejectTitle = ({ before }: Item): string =>
  before === null ? 'Reject: delete the annotation (Delete)' : 'Reject: restore the shape before the refine (Delete)';

export function endText(list: List): string {
  const { all, by } = progressOf(list);
  const parts = [
    `${by.accepted} accepted`,
    `${by.corrected} corrected`,
    `${by.rejected} rejected`,
    ...(by.gone ? [`${by.gone} no longer there`] : []),
  ];
  return `${some(all, 'annotation')} reviewed: ${parts.join(', ')}.`;
}
