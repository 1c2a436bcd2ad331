/** The parts of Core's and the service's answers that the viewer uses. */

import type { Box, Choice, Click } from './session';

export interface About {
  project: number;
  image: number;
  annotations: number[];
  users: { id: number; username: string }[];
  timings_ms: Record<string, number>;
  max_slide_bytes: number;
  prepares: boolean;
  /** What the service says of itself, such as that it runs the demo's model. */
  warning: string | null;
}

export interface ImageInstance {
  id: number;
  project: number;
  instanceFilename: string;
  path: string;
  width: number;
  height: number;
  /** Of PIMS' normalized pyramid, whatever the file's own is. */
  tileSize: number;
  physicalSizeX: number | null;
  magnification: number | null;
}

/** What PIMS tells of a slide file. */
export interface PimsInfo {
  image: { width: number; height: number };
}

/** A location is WKT in the platform frame: level-0 pixels, origin bottom left, y up. */
export interface Annotation {
  id: number;
  image: number;
  user: number;
  location: string;
  created: string | number;
  /** As `created`, as long as nobody has changed it. */
  updated: string | number;
  term: number[];
  nbComments: number;
}

export interface Term {
  id: number;
  name: string;
  color: string;
}

/** Who has put which term on an annotation. */
export interface TermLink {
  userannotation: number;
  term: number;
  user: number;
}

export interface User {
  id: number;
  username: string;
}

export interface Refinement {
  annotation_id: number;
  changed: boolean;
  location: string;
  previous_location: string;
  score: number;
  points_used: number[];
  points_deleted: number[];
  points_not_deleted: number[];
  /** Handle of Core's undo for the outline. */
  command: number | null;
  /** Handles of all that this refine did, in that order: the outline, then each deleted point. */
  commands?: number[];
  /** What the service is not sure of, in words. */
  doubts?: string[];
  doubtful?: boolean;
  /** 0 to 1; of older services there is the score alone. */
  confidence?: number;
  calibrated?: boolean;
  proposals?: WireProposal[];
  proposal?: Choice;
  /** The box that was the prompt. */
  box?: Box | null;
  /** What exactly this outline is accepted by. */
  preview?: string | null;
  /** Not told of an outline that was made before its annotation. */
  model?: { name: string };
  timings_ms: Record<string, number>;
}

export interface WireProposal {
  index: 0 | 1 | 2;
  score: number;
  /** GeoJSON, platform frame. */
  geometry: object | null;
}

/** What the service says of a shape that is no annotation. */
export interface PredictedFeature {
  geometry: object;
  properties: Pick<Refinement, 'score' | 'confidence' | 'calibrated' | 'doubts' | 'doubtful' | 'proposals' | 'proposal' | 'box' | 'timings_ms'>;
}

/** As Core's addition takes them. */
export interface RefineOptions {
  keepPoints?: boolean;
  dryRun?: boolean;
  points?: 'auto' | 'all' | 'ignore';
  box?: Box;
  clicks?: Click[];
  proposal?: Choice;
  detail?: number;
  preview?: string;
}

/** What Core answers to a create, an update or a delete. */
export interface CommandAnswer {
  message: string;
  annotation: Annotation;
  command: number | null;
}

/** One item of Core's answer to an undo or a redo; links of terms and the like have items of their own. */
export interface StepAnswer {
  annotation?: { id: number };
  annotationterm?: TermLink;
  /** Names what was done, also when that is the undoing of something. */
  callback?: { method: string } | null;
}

export interface Collection<T> {
  collection: T[];
}
