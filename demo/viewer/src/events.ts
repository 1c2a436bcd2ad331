/** What happens on the table, and who wants to know. */

import type { Geometry } from 'ol/geom';

import type { Problem } from './api';
import type { ImageInstance, PimsInfo } from './types';
import type { Kind } from './words';

export interface Events {
  /** Something of the state changed. */
  change: () => void;
  /** Something of the open previews changed. */
  preview: () => void;
  /** Something of the proposals of a search changed. */
  proposals: () => void;
  /** Something of the proposals that are being accepted changed. */
  batch: () => void;
  /** Something of the list that is being reviewed changed. */
  review: () => void;
  /** Another slide lies on the table. */
  slide: (image: ImageInstance, info: PimsInfo) => void;
  /** Somebody else works here now. */
  user: () => void;
  /** An outline has moved by itself. */
  moved: (id: number, from: Geometry, to: Geometry) => void;
  told: (kind: Kind, title: string, detail?: string) => void;
  /** `word` is what trying again is called, where it is called something else. */
  failed: (problem: Problem, again?: () => void, word?: string) => void;
}

export class Emitter {
  private readonly listeners = new Map<keyof Events, Set<(...told: never[]) => void>>();

  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)!.add(listener);
  }

  emit<E extends keyof Events>(event: E, ...told: Parameters<Events[E]>): void {
    for (const listener of this.listeners.get(event) ?? []) (listener as (...all: Parameters<Events[E]>) => void)(...told);
  }
}
