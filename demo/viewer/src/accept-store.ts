/** Keeps batches over a reload of the page, in this browser: what is not stored in Cytomine yet can go on then. */

import type { Batch, Item } from './accept-batch';

const NAME = 'refine';
const BATCHES = 'batches';
const ITEMS = 'items';

type Head = Omit<Batch, 'items'>;
interface Row {
  batch: string;
  at: number;
  item: Item;
}

/** A browser may forbid its store; then a batch lives as long as the page. */
export class BatchStore {
  private readonly opened: Promise<IDBDatabase | null> = open();

  /** Keep a batch and some of its items, those at the given places. */
  async keep({ items, ...head }: Batch, changed: readonly number[]): Promise<void> {
    await this.write((batches, rows) => {
      batches.put(head);
      for (const at of changed) rows.put({ batch: head.key, at, item: items[at] } as Row);
    });
  }

  async forget(key: string): Promise<void> {
    await this.write((batches, rows) => {
      batches.delete(key);
      rows.delete(IDBKeyRange.bound([key, 0], [key, Infinity]));
    });
  }

  async all(): Promise<Batch[]> {
    const database = await this.opened;
    if (!database) return [];
    const transaction = database.transaction([BATCHES, ITEMS]);
    const heads = await answer<Head[]>(transaction.objectStore(BATCHES).getAll());
    const rows = await answer<Row[]>(transaction.objectStore(ITEMS).getAll());
    return heads.map((head) => ({ ...head, items: rows.filter(({ batch }) => batch === head.key).map(({ item }) => item) }));
  }

  private async write(work: (batches: IDBObjectStore, items: IDBObjectStore) => void): Promise<void> {
    const database = await this.opened;
    if (!database) return;
    const transaction = database.transaction([BATCHES, ITEMS], 'readwrite');
    work(transaction.objectStore(BATCHES), transaction.objectStore(ITEMS));
    await new Promise<void>((resolve) => {
      transaction.oncomplete = transaction.onabort = transaction.onerror = () => resolve();
    });
  }
}

async function open(): Promise<IDBDatabase | null> {
  try {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(BATCHES, { keyPath: 'key' });
      request.result.createObjectStore(ITEMS, { keyPath: ['batch', 'at'] });
    };
    return await answer<IDBDatabase>(request);
  } catch {
    return null;
  }
}

const answer = <T>(request: IDBRequest): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error);
  });
