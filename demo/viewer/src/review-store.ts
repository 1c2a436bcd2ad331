/** Keeps the list under review in this browser, a list for each user, so that it can go on after a reload or tomorrow. */

import type { List } from './review-list';

const keyOf = (user: number): string => `review of ${user}`;

export function keepList(user: number, list: List | null, storage: Storage = localStorage): void {
  try {
    if (list) storage.setItem(keyOf(user), JSON.stringify(list));
    else storage.removeItem(keyOf(user));
  } catch {
    // A full or forbidden store: the page works on, only a reload will forget
  }
}

export function keptList(user: number, storage: Storage = localStorage): List | null {
  try {
    const read = JSON.parse(storage.getItem(keyOf(user)) ?? 'null') as Partial<List> | null;
    return read && Array.isArray(read.items) && typeof read.at === 'number' ? (read as List) : null;
  } catch {
    return null;
  }
}
