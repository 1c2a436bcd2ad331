/** Keeps what was done here over a reload of this tab, and takes it up again. */

import type { User } from './types';
import { keepVisit, keptVisit } from './visit';
import type { Workbench } from './workbench';

/** A drag of a slider changes much in a short time. */
const KEPT_AFTER_MS = 150;

export class Memory {
  private who: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly bench: Workbench) {
    bench.on('change', () => this.soon());
    globalThis.addEventListener?.('pagehide', () => this.keep());
  }

  /** Somebody begins to work: what they did before in this tab is theirs to undo again. */
  recall(user: User, made: string): void {
    this.keep();
    this.who = `${user.id} since ${made}`;
    const { stacks, refinements } = keptVisit(this.who);
    this.bench.undos.history.restore(stacks);
    for (const [id, refinement] of refinements) if (!this.bench.refinements.has(id)) this.bench.refinements.set(id, refinement);
  }

  private soon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), KEPT_AFTER_MS);
  }

  private keep(): void {
    clearTimeout(this.timer);
    const { undos, refinements } = this.bench;
    if (this.who !== null) keepVisit(this.who, { stacks: undos.history.kept, refinements: [...refinements] });
  }
}
