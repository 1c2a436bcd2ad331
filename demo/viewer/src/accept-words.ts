/** What a person is told of proposals that were accepted, and of taking them back. */

import type { Item } from './accept-batch';
import type { Outcome } from './accept-undo';
import { Problem } from './api';
import type { Direction } from './history';
import { type Kind, sentences } from './words';

export const some = (count: number, one: string): string => `${count.toLocaleString('en')} ${count === 1 ? one : `${one}s`}`;

/** Kind, title and detail once a batch is through. */
export function batchEnd(stored: number, refused: readonly Item[]): [Kind, string, string] {
  const title = `${some(stored, 'annotation')} added`;
  if (!refused.length) return ['success', title, 'Press Z to undo all of them.'];
  return ['warning', title, sentences(`Cytomine refused ${refused.length}`, refused[0]!.why ?? '', 'Press Z to undo the others.')];
}

export const batchStep = {
  told({ done, changed }: Outcome, direction: Direction): [Kind, string, string] {
    if (direction === 'redo') return ['info', 'Redone', `${some(done.length, 'annotation')} brought back.`];
    const stays = changed.length === 1 ? '1 was changed since, and stays' : `${changed.length} were changed since, and stay`;
    return [changed.length ? 'warning' : 'info', 'Undone', sentences(`${some(done.length, 'annotation')} taken back`, changed.length ? stays : '')];
  },

  failed({ done, left, error }: Outcome, direction: Direction): Problem {
    const [word, key] = direction === 'undo' ? ['taken back', 'Z'] : ['brought back', 'Shift Z'];
    const told = `${done.length} were ${word}, ${left.length} are left.`;
    return new Problem(error!.title, sentences(error!.detail, told, `Press ${key} to go on.`), error!.status);
  },
};
