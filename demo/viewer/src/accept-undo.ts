/** Takes a batch of accepted proposals back, and brings it again: those that nobody has changed since. */

import { type Api, asProblem, type Problem } from './api';
import type { Made } from './accept-batch';
import type { Direction } from './history';
import { isSameShape } from './geometry';
import type { Annotation } from './types';

const IN_FLIGHT = 3;

export interface Outcome {
  /** Taken away, or brought again. */
  done: Made[];
  /** Changed by somebody since, and therefore left as they are. */
  changed: Made[];
  /** Not reached. */
  left: Made[];
  error: Problem | null;
}

type Step = (made: Made) => Promise<'done' | 'changed'>;

/** Undo or redo a batch; what fails can be tried again with `left`. */
export function stepMade(api: Api, made: Made[], direction: Direction): Promise<Outcome> {
  return each(made, direction === 'undo' ? (one) => remove(api, one) : (one) => bring(api, one));
}

async function each(made: Made[], step: Step): Promise<Outcome> {
  const outcome: Outcome = { done: [], changed: [], left: [...made], error: null };
  const work = async (): Promise<void> => {
    while (outcome.left.length && !outcome.error) {
      const one = outcome.left.shift()!;
      try {
        outcome[await step(one)].push(one);
      } catch (error) {
        outcome.left.unshift(one);
        outcome.error ??= asProblem(error);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return outcome;
}

/** What is not there any more counts as taken away. */
async function remove(api: Api, made: Made): Promise<'done' | 'changed'> {
  try {
    if (!isAsMade(await api.annotation(made.id), made)) return 'changed';
    made.removal = (await api.remove(made.id)).command;
  } catch (error) {
    if (asProblem(error).status !== 404) throw error;
  }
  return 'done';
}

async function bring(api: Api, made: Made): Promise<'done'> {
  if (made.removal !== null) await api.command(made.removal, 'undo');
  made.removal = null;
  return 'done';
}

function isAsMade(now: Annotation, { location, terms }: Made): boolean {
  const hasTerms = now.term.length === terms.length && terms.every((each) => now.term.includes(each));
  return hasTerms && isSameShape(now.location, location) && !now.nbComments;
}
