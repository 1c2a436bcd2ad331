/** The proposals of one search, and which of them a person wants. Nothing here asks, writes, or knows of a page. */

import type { Proposal } from './proposals-wire';

/** Why a proposal that is above the threshold is not taken: by a click, or because such an annotation is there already. */
export type LeftOut = 'dropped' | 'annotated';

export interface Counts {
  all: number;
  /** Above the threshold. */
  shown: number;
  /** Shown, and not left out. */
  chosen: number;
  dropped: number;
  annotated: number;
}

export const BINS = 24;
/** Where all are good, none looks bad beside the others. */
const HIGHEST_FLOOR = 0.5;

export class ProposalSet {
  readonly all: Proposal[] = [];
  threshold = 0;
  private readonly out = new Map<number, LeftOut>();
  private low = 1;

  /** Add one; with `leftOut` it is shown, but not taken before a person takes it back. */
  add(proposal: Proposal, leftOut: LeftOut | null = null): void {
    this.all.push(proposal);
    this.low = Math.min(this.low, valueOf(proposal));
    if (leftOut) this.out.set(proposal.key, leftOut);
  }

  /** What the threshold is about. */
  get measure(): 'Likeness' | 'Confidence' | 'Score' {
    const [first] = this.all;
    if (!first || first.likeness !== null) return 'Likeness';
    return first.confidence !== null ? 'Confidence' : 'Score';
  }

  /** The lowest value, rounded down to a twentieth, and at most a half: where the slider begins, and the colours. */
  get floor(): number {
    return this.all.length ? Math.min(HIGHEST_FLOOR, Math.floor(this.low * 20) / 20) : 0;
  }

  isShown = (proposal: Proposal): boolean => valueOf(proposal) >= this.threshold;
  leftOut = ({ key }: Proposal): LeftOut | null => this.out.get(key) ?? null;
  isChosen = (proposal: Proposal): boolean => this.isShown(proposal) && !this.out.has(proposal.key);

  /** Drop it, or take it back. */
  toggle({ key }: Proposal): void {
    if (!this.out.delete(key)) this.out.set(key, 'dropped');
  }

  get chosen(): Proposal[] {
    return this.all.filter(this.isChosen);
  }

  get counts(): Counts {
    const counts = { all: this.all.length, shown: 0, chosen: 0, dropped: 0, annotated: 0 };
    for (const each of this.all) {
      if (!this.isShown(each)) continue;
      counts.shown++;
      counts[this.leftOut(each) ?? 'chosen']++;
    }
    return counts;
  }

  /** How many lie in each of `BINS` equal steps from the floor to 1. */
  get histogram(): number[] {
    const counts = new Array<number>(BINS).fill(0);
    for (const each of this.all) counts[Math.min(BINS - 1, Math.floor(shareOf(valueOf(each), this.floor) * BINS))]!++;
    return counts;
  }

  /** The shown ones from the least to the most certain: where a look is worth most. */
  get order(): Proposal[] {
    return this.all.filter(this.isShown).sort((one, other) => valueOf(one) - valueOf(other) || one.key - other.key);
  }
}

/** Likeness where there are examples, else how sure the service is. */
export const valueOf = ({ likeness, confidence, score }: Proposal): number => likeness ?? confidence ?? score;

/** Where a value lies between the floor and 1, from 0 to 1. */
export const shareOf = (value: number, floor: number): number =>
  floor >= 1 ? 1 : Math.min(1, Math.max(0, (value - floor) / (1 - floor)));
