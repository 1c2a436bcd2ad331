/** Keeps open previews over a reload of the page, in this tab; what they looked like is asked for again. */

import type { Prompts, Session } from './session';

const KEY = 'previews';

/** A session, and the outline that was on its way to Core when this was kept. */
export interface Kept {
  session: Session;
  sent: string | null;
}

/** What was last used for an annotation, as long as its outline is that one. */
export interface Remembered extends Prompts {
  location: string;
}

interface All {
  open: Kept[];
  prompts: [annotation: number, Remembered][];
}

const NOTHING: All = { open: [], prompts: [] };

export function keep(all: All, storage: Storage = sessionStorage): void {
  try {
    storage.setItem(KEY, JSON.stringify(all));
  } catch {
    // A full or forbidden store: the page works on, only a reload will forget
  }
}

export function kept(storage: Storage = sessionStorage): All {
  try {
    const read = JSON.parse(storage.getItem(KEY) ?? 'null') as Partial<All> | null;
    return read && Array.isArray(read.open) && Array.isArray(read.prompts) ? (read as All) : NOTHING;
  } catch {
    return NOTHING;
  }
}
