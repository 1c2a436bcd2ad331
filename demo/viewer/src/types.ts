/** The parts of Core's and the service's answers that the viewer uses. */

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
  model: { name: string };
  timings_ms: Record<string, number>;
}

/** What Core answers to a create, an update or a delete. */
export interface CommandAnswer {
  message: string;
  annotation: Annotation;
  command: number | null;
}

/** One item of Core's answer to an undo or a redo; terms and the like have items of their own, without an annotation. */
export interface StepAnswer {
  annotation?: { id: number };
  /** Names what was done, also when that is the undoing of something. */
  callback?: { method: string } | null;
}

export interface Collection<T> {
  collection: T[];
}
