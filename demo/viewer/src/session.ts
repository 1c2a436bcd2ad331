/** An object that is being outlined by clicks: its shape, its prompts, and what is shown. Nothing here knows of a page. */

export interface Click {
  /** Platform frame, level-0 pixels. */
  x: number;
  y: number;
  /** 1: on the object; 0: on the background. */
  label: 0 | 1;
}

export type Choice = 'best' | 'single' | 0 | 1 | 2;
export type Box = [xMin: number, yMin: number, xMax: number, yMax: number];

/** What tells the model which object is meant, and how it shall be drawn. Left to the service where it is null. */
export interface Prompts {
  /** The first box of the object; null where that is the one around its shape. */
  box: Box | null;
  clicks: Click[];
  proposal: Choice | null;
  /** Most vertices of the outline. */
  detail: number | null;
}

export interface Session extends Prompts {
  key: number;
  image: number;
  user: number;
  /** The annotation that is being corrected; null for a shape that is not stored yet. */
  annotation: number | null;
  /** What the person drew, or the annotation as it was; WKT. */
  shape: string;
  /** What was drawn, as a person says it: "Rectangle". */
  label: string;
  /** Terms that were chosen when it was drawn. */
  terms?: number[];
  /** The proposal that the service takes by itself, once it has said so. */
  own: Choice | null;
  past: Click[][];
  future: Click[][];
}

export interface Proposal {
  index: 0 | 1 | 2;
  score: number;
  /** WKT; null where this proposal has no object. */
  location: string | null;
}

/** What the service says of some prompts. */
export interface Outline {
  /** WKT. */
  location: string;
  confidence: number;
  isCalibrated: boolean;
  doubts: string[];
  isDoubtful: boolean;
  proposals: Proposal[];
  proposal: Choice | null;
  box: Box | null;
  /** What an annotation's outline is accepted by. */
  ticket: string | null;
  timings: Record<string, number>;
}

export type Origin = Pick<Session, 'image' | 'user' | 'annotation' | 'shape' | 'label'>;

const NO_PROMPTS: Prompts = { box: null, clicks: [], proposal: null, detail: null };

export const opened = (key: number, origin: Origin, more: Partial<Session> = {}): Session => ({
  ...NO_PROMPTS,
  own: null,
  past: [],
  future: [],
  ...more,
  ...origin,
  key,
});

export const promptsOfSession = ({ box, clicks, proposal, detail }: Prompts): Prompts => ({ box, clicks, proposal, detail });

const clicked = (session: Session, clicks: Click[]): Session => ({
  ...session,
  clicks,
  past: [...session.past, session.clicks],
  future: [],
});

export const withClick = (session: Session, click: Click): Session => clicked(session, [...session.clicks, click]);

export const withoutClick = (session: Session, index: number): Session =>
  clicked(session, session.clicks.filter((_, i) => i !== index));

/** Take the last deed with a click back; null if there is none. */
export function undone(session: Session): Session | null {
  const before = session.past.at(-1);
  if (!before) return null;
  return { ...session, clicks: before, past: session.past.slice(0, -1), future: [...session.future, session.clicks] };
}

export function redone(session: Session): Session | null {
  const after = session.future.at(-1);
  if (!after) return null;
  return { ...session, clicks: after, past: [...session.past, session.clicks], future: session.future.slice(0, -1) };
}

/** Give the click within reach of a place, the nearest one; -1 if there is none. */
export function clickAt({ clicks }: Prompts, x: number, y: number, reach: number): number {
  const far = clicks.map((each) => Math.hypot(each.x - x, each.y - y));
  const nearest = far.indexOf(Math.min(...far));
  return nearest >= 0 && far[nearest]! <= reach ? nearest : -1;
}

/** What can be chosen among, in the order of going round: the single mask where the service takes that by itself, then all that show an object. */
export function ring({ own }: Session, { proposals }: Outline): Choice[] {
  const found = proposals.filter((each) => each.location !== null).map((each) => each.index);
  return own === 'single' ? ['single', ...found] : found;
}

/** The choice after, or before, the one that is shown; null if there is no other. */
export function neighbour(session: Session, outline: Outline, step: 1 | -1): Choice | null {
  const choices: (Choice | null)[] = ring(session, outline);
  const at = choices.indexOf(takenOf(session, outline));
  const next = choices[(Math.max(at, 0) + step + choices.length) % choices.length];
  return choices.length > 1 && next !== undefined ? next : null;
}

/** Where the choice that is shown stands: the second of three. */
export function placeOf(session: Session, outline: Outline): { at: number; of: number } {
  const choices: (Choice | null)[] = ring(session, outline);
  return { at: choices.indexOf(takenOf(session, outline)) + 1, of: choices.length };
}

/** What is shown now. */
const takenOf = ({ proposal }: Session, outline: Outline): Choice | null =>
  proposal === null || proposal === 'best' ? outline.proposal : proposal;

/** The outline of another proposal of the same answer, to be seen until the service has said it. */
export const proposed = ({ proposals }: Outline, choice: Choice): string | null =>
  proposals.find((each) => each.index === choice)?.location ?? null;
