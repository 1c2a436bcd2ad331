/** Asks the service for outlines. Of several questions about one object only the newest is answered. */

import { type Api, asProblem } from './api';
import { dryRun, predicted, prediction, refined } from './outlines';
import type { Outline, Session } from './session';

export interface Answer {
  /** Null where nothing was found. */
  outline: Outline | null;
}

export class Asking {
  private readonly running = new Map<number, AbortController>();

  constructor(private readonly api: Api) {}

  /** Ask at once, and give the question before this one up. Gives null if this one is given up in turn. */
  async ask(session: Session, usesPoints: boolean): Promise<Answer | null> {
    this.stop(session.key);
    const abort = new AbortController();
    this.running.set(session.key, abort);
    try {
      const outline = await this.outline(session, usesPoints, abort.signal);
      return abort.signal.aborted ? null : { outline };
    } catch (error) {
      const problem = asProblem(error);
      if (abort.signal.aborted) return null;
      throw problem;
    } finally {
      if (this.running.get(session.key) === abort) this.running.delete(session.key);
    }
  }

  stop(key: number): void {
    this.running.get(key)?.abort();
    this.running.delete(key);
  }

  private async outline(session: Session, usesPoints: boolean, signal: AbortSignal): Promise<Outline | null> {
    if (session.annotation === null) {
      const feature = await this.api.predict(prediction(session), signal);
      return feature && predicted(feature);
    }
    const { refinement } = await this.api.refine(session.annotation, dryRun(session, usesPoints), signal);
    return refined(refinement);
  }
}
