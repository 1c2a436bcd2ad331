/** What travels when objects are proposed: the question, each proposal, and how it ended. */

import GeoJSON, { type GeoJSONGeometry } from 'ol/format/GeoJSON';
import type { MultiPolygon, Polygon } from 'ol/geom';

import { type Api, Problem, problemOf } from './api';
import { areaOf, isArea } from './geometry';
import { valuesOf } from './proposals-stream';

export interface Proposal {
  /** Running number within a search, from 1. */
  readonly key: number;
  /** Platform frame. */
  readonly shape: Polygon | MultiPolygon;
  /** The model's own guess of the overlap, 0 to 1. */
  readonly score: number;
  /** The same, calibrated; null where the checkpoint has no calibration. */
  readonly confidence: number | null;
  /** How much it looks like the examples, 0 to 1; null without any. */
  readonly likeness: number | null;
  /** Level-0 pixels. */
  readonly area: number;
  /** Whether the service wants it to be looked at. */
  readonly isDoubtful: boolean;
  readonly doubts: readonly string[];
}

export interface Progress {
  /** The piece of the region that the newest proposal is of, from 1; 0 before the first. */
  tile: number;
  tiles: number;
}

export interface Ended {
  /** Why the service stopped before the end of the region, if it did. */
  stopped: 'limit' | 'deadline' | null;
  model: string | null;
  /** Pieces of the region that were searched, and that were not reached. */
  searched: number;
  left: number;
}

/** Where to look, and for what. */
export interface Question {
  /** A GeoJSON feature, platform frame; or the number of an annotation. */
  region: object | number;
  like: number[];
  unlike: number[];
}

interface Line {
  done?: boolean;
  problem?: { status?: number };
  stopped?: Ended['stopped'];
  tiles?: number;
  tiles_left?: number;
  model?: string | { name?: string } | null;
  geometry?: object;
  properties?: {
    proposal?: number;
    score?: number;
    confidence?: number | null;
    likeness?: number | null;
    area_px0?: number;
    tile?: number;
    tiles?: number;
    doubtful?: boolean;
    doubts?: string[];
  };
}

const format = new GeoJSON();

/** Ask, and tell of each proposal as it comes. Gives how it ended; whatever goes wrong is a `Problem`. */
export async function propose(
  api: Pick<Api, 'propose'>,
  image: number,
  question: Question,
  signal: AbortSignal,
  told: (proposal: Proposal, progress: Progress) => void,
): Promise<Ended> {
  const body = await api.propose(image, bodyOf(question), signal).catch(asUnwritten);
  for await (const value of valuesOf(body)) {
    const line = Object(value) as Line;
    if (typeof line.done === 'boolean') return ended(line);
    const proposal = read(line);
    const { tile = 0, tiles = 0 } = line.properties ?? {};
    if (proposal) told(proposal, { tile, tiles });
  }
  throw new Problem('The search broke off', 'The answer was incomplete.');
}

/** Nothing is written by a search, whatever the way of asking says of lost answers. */
function asUnwritten(error: unknown): never {
  if (!(error instanceof Problem) || error.status !== 0) throw error;
  throw new Problem(error.title, 'Is the demo still running?');
}

function bodyOf({ region, like, unlike }: Question): object {
  return {
    ...(typeof region === 'number' ? { annotation_id: region } : { geometry: region }),
    ...(like.length && { like }),
    ...(unlike.length && { unlike }),
  };
}

function ended({ done, problem, stopped = null, model = null, tiles: searched = 0, tiles_left: left = 0 }: Line): Ended {
  if (!done) throw problemOf(problem?.status ?? 500, 'application/problem+json', JSON.stringify(problem ?? {}), null);
  return { stopped, model: typeof model === 'string' ? model : (model?.name ?? null), searched, left };
}

/** Null for what has no area, or cannot be understood. */
function read({ geometry, properties = {} }: Line): Proposal | null {
  const { proposal: key, score, confidence = null, likeness = null, doubtful = false, doubts = [] } = properties;
  const shape = geometry && format.readGeometry(geometry as GeoJSONGeometry);
  if (!shape || !isArea(shape) || typeof key !== 'number' || typeof score !== 'number') return null;
  const area = properties.area_px0 ?? areaOf(shape);
  return { key, shape: shape as Polygon | MultiPolygon, score, confidence, likeness, area, isDoubtful: doubtful, doubts };
}
