/** Which rows of a long list are worth having: those in sight, a few around them, and one that must be there. */

/** Rows beyond the edges, so that a quick scroll does not show emptiness. */
const SPARE = 8;

/**
 * Give the places of the rows to have, in order.
 *
 * `kept` is a row that stays wherever the list is scrolled, such as the one that a screen reader is told of; -1 for none.
 */
export function rowsInSight(scrolled: number, height: number, rowHeight: number, count: number, kept: number): number[] {
  const first = Math.min(Math.max(0, Math.floor(scrolled / rowHeight) - SPARE), Math.max(0, count - 1));
  const last = Math.min(count - 1, Math.ceil((scrolled + height) / rowHeight) + SPARE);
  const rows = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  if (kept < 0 || kept >= count || (kept >= first && kept <= last)) return rows;
  return kept < first ? [kept, ...rows] : [...rows, kept];
}

/** How far a list must be scrolled so that a row is in sight, moving as little as can be. */
export function scrolledTo(row: number, scrolled: number, height: number, rowHeight: number): number {
  const [top, bottom] = [row * rowHeight, (row + 1) * rowHeight];
  if (top < scrolled) return top;
  return bottom > scrolled + height ? bottom - height : scrolled;
}

const STEPS: Record<string, (page: number) => number> = {
  ArrowDown: () => 1,
  ArrowUp: () => -1,
  PageDown: (page) => page,
  PageUp: (page) => -page,
  Home: () => -Infinity,
  End: () => Infinity,
};

/** The row that a key leads to, from the one that is chosen (-1: none); null if the key has no such use. */
export function rowAfter(key: string, at: number, count: number, page: number): number | null {
  const step = STEPS[key]?.(Math.max(1, page));
  if (step === undefined || count === 0) return null;
  return Math.min(count - 1, Math.max(0, at + step));
}
