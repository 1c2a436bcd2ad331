/** Previews in the order in which they were begun: which one the next key means, and which are accepted because the person went on. */

import type { Outline, Session } from './session';

export interface Preview {
  session: Session;
  /** Whether an answer to the newest prompts is awaited. */
  isAsking: boolean;
  /** What is shown; of older prompts while an answer is awaited. Null before the first answer, and where nothing was found. */
  outline: Outline | null;
  /** Why there was no answer. */
  problem: { title: string; detail: string } | null;
  /** Being written. */
  isAccepting: boolean;
  /** The person has gone on, but this one wants Enter or Esc. */
  isHeld: boolean;
}

export const begun = (session: Session): Preview => ({
  session,
  isAsking: false,
  outline: null,
  problem: null,
  isAccepting: false,
  isHeld: false,
});

/** Whether what is shown is the answer to the newest prompts. */
export const isAnswered = ({ isAsking, problem }: Preview): boolean => !isAsking && problem === null;

export const isDoubtful = (each: Preview): boolean => isAnswered(each) && (each.outline?.isDoubtful ?? true);

/** Whether it cannot be accepted without being asked about: nothing came of it, or the service doubts what came. */
const wantsDecision = (each: Preview): boolean => !each.isAccepting && (each.isHeld || each.problem !== null || isDoubtful(each));

/** The preview that keys and clicks mean: the first that wants a decision, else the newest. */
export function currentOf(queue: Preview[]): Preview | null {
  const waiting = queue.filter((each) => !each.isAccepting);
  return waiting.slice(0, -1).find(wantsDecision) ?? waiting.at(-1) ?? null;
}

/** Hold those that want a decision, now that the person has drawn on; give those that can be accepted by that. */
export function passed(queue: Preview[]): Preview[] {
  const behind = queue.slice(0, -1).filter((each) => !each.isAccepting);
  for (const each of behind) each.isHeld ||= wantsDecision(each);
  return behind.filter((each) => !each.isHeld && isAnswered(each));
}
