/** Core, PIMS and the demo's own routes, over HTTP. Whatever goes wrong is a `Problem`. */

import { micronsOf } from './geometry';
import type {
  About,
  Annotation,
  Collection,
  CommandAnswer,
  ImageInstance,
  PimsInfo,
  PredictedFeature,
  Refinement,
  RefineOptions,
  StepAnswer,
  Term,
  TermLink,
  User,
} from './types';

/** What a person is told: a title, a detail, and when to try again. */
export class Problem extends Error {
  constructor(
    readonly title: string,
    readonly detail: string,
    readonly status = 0,
    readonly retryAfterS: number | null = null,
    /** Whether something may have been written all the same. */
    readonly mayHaveWritten = false,
  ) {
    super(`${title}: ${detail}`);
  }
}

/** Anything but a problem is a mistake of this program and goes on to the console. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  throw error;
}

const URN = 'urn:cytomine-refine:';
/** Told by whoever stands before the service and has lost sight of it. */
const LOST = ['service-absent', 'service-slow', 'service-nonsense'].map((type) => URN + type);

/** Give the problem of an answer: RFC 9457, Core's two forms of errors, or a page. */
export function problemOf(status: number, contentType: string, text: string, retryAfter: string | null): Problem {
  const seconds = retryAfter !== null && Number.isFinite(Number(retryAfter)) ? Number(retryAfter) : null;
  const body = contentType.includes('json') ? parsed(text) : {};
  const [title, detail] = wordsOf(status, body);
  return new Problem(title, detail, status, seconds, mayHaveWritten(status, body));
}

function wordsOf(status: number, body: Record<string, unknown>): [title: string, detail: string] {
  if (typeof body.title === 'string') {
    const detail = body.detail ?? body.details; // the second is PIMS' word
    return [body.title, typeof detail === 'string' ? detail : ''];
  }
  const errors = body.errors as string | { message?: string } | undefined;
  const message = typeof errors === 'string' ? errors : errors?.message;
  if (message) return ['Cytomine refused this', message];
  const titles: Record<number, string> = { 401: 'Your session has ended', 404: 'Not found' };
  return [titles[status] ?? 'Something went wrong in Cytomine', `The server answered with status ${status}.`];
}

/** The service says it itself; where something else answers in its place, nobody knows. */
function mayHaveWritten(status: number, { type, written }: Record<string, unknown>): boolean {
  if (typeof written === 'boolean') return written;
  return typeof type === 'string' && type.startsWith(URN) ? LOST.includes(type) : status >= 500;
}

function parsed(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function noAnswer(method: string): Problem {
  const writes = method !== 'GET';
  const detail = writes ? 'Is the demo still running? Your last change may not have been saved.' : 'Is the demo still running?';
  return new Problem('Cytomine cannot be reached', detail, 0, null, writes);
}

/** An annotation that an undo or a redo has changed. */
export interface Touched {
  id: number;
  isGone: boolean;
}

/** A term that is taken off goes with its annotation, or alone: only the annotation's own item tells that that is gone. */
export function touchedBy(answers: readonly StepAnswer[]): Touched[] {
  const touched = new Map<number, boolean>();
  for (const { annotation, annotationterm, callback } of answers) {
    if (annotation) touched.set(annotation.id, callback?.method.includes('Delete') ?? false);
    else if (annotationterm && !touched.has(annotationterm.userannotation)) touched.set(annotationterm.userannotation, false);
  }
  return [...touched].map(([id, isGone]) => ({ id, isGone }));
}

/** Where PIMS has a file; its path may have folders and spaces. */
export const imageUrl = (path: string): string => `/ims/image/${path.split('/').map(encodeURIComponent).join('/')}`;

export class Api {
  private token = '';
  private username = '';

  about = () => this.call<About>('GET', '/demo/about');

  async enter(username: string): Promise<void> {
    this.token = (await this.call<{ token: string }>('POST', `/demo/session/${username}`)).token;
    this.username = username;
  }

  /** When whoever is logged in was made: tells installations apart that give the same numbers. */
  madeAt = async () => String((await this.call<{ created: string | number }>('GET', '/api/user/current.json')).created);

  images = async (project: number) =>
    (await this.call<Collection<ImageInstance>>('GET', `/api/project/${project}/imageinstance.json`)).collection;
  async image(id: number): Promise<ImageInstance> {
    const record = await this.call<ImageInstance>('GET', `/api/imageinstance/${id}.json`);
    return { ...record, physicalSizeX: micronsOf(record.physicalSizeX) };
  }

  pixels = (path: string) => this.call<PimsInfo>('GET', `${imageUrl(path)}/info`);
  users = async (project: number) =>
    (await this.call<Collection<User>>('GET', `/api/project/${project}/user.json`)).collection;
  terms = async (project: number) =>
    (await this.call<Collection<Term>>('GET', `/api/project/${project}/term.json`)).collection;

  async annotations(image: number): Promise<Annotation[]> {
    const query = `image=${image}&showMeta=true&showWKT=true&showTerm=true`;
    return (await this.call<Collection<Annotation>>('GET', `/api/annotation.json?${query}`)).collection;
  }

  annotation = (id: number) => this.call<Annotation>('GET', `/api/annotation/${id}.json`);
  create = (image: number, location: string, terms: number[] = []) =>
    this.call<CommandAnswer>('POST', '/api/annotation.json', { image, location, ...(terms.length && { term: terms }) });

  /** Core rebuilds an annotation from all of its fields, so they are read first. */
  async move(id: number, location: string): Promise<CommandAnswer> {
    const record = await this.annotation(id);
    return this.call<CommandAnswer>('PUT', `/api/annotation/${id}.json`, { ...record, location });
  }

  /** Every person may have put terms of their own on an annotation. */
  termsOf = async (annotation: number) =>
    (await this.call<Collection<TermLink>>('GET', `/api/annotation/${annotation}/term.json`)).collection;
  addTerm = async (annotation: number, term: number) =>
    (await this.call<{ command: number | null }>('POST', `/api/annotation/${annotation}/term/${term}.json`, { userannotation: annotation, term })).command;

  async removeTerm({ userannotation, term, user }: TermLink, caller: number): Promise<number | null> {
    const of = user === caller ? '' : `/user/${user}`;
    return (await this.call<{ command: number | null }>('DELETE', `/api/annotation/${userannotation}/term/${term}${of}.json`)).command;
  }

  remove = (id: number) => this.call<CommandAnswer>('DELETE', `/api/annotation/${id}.json`);

  /** The signal gives the refine up: the connection is closed, and the service writes nothing from then on. */
  refine = (id: number, options: RefineOptions, signal?: AbortSignal) =>
    this.call<{ annotation: Annotation; refinement: Refinement }>('POST', `/api/annotation/${id}/sam`, options, signal);

  /** Outline a shape that is no annotation; null if nothing is found. */
  predict = (prompts: object, signal: AbortSignal) =>
    this.call<PredictedFeature | null>('POST', '/demo/prediction', prompts, signal);

  /** Ask for the objects of a region; they come line by line. The signal closes the connection, which stops the work. */
  async propose(image: number, question: object, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const answer = await this.answer('POST', `/api/imageinstance/${image}/sam/propose`, question, signal);
    if (answer.ok && answer.body) return answer.body;
    throw await this.refusal(answer);
  }

  /** Undo or redo; gives the annotations that were changed by that: none if it had been done already. */
  async command(command: number, direction: 'undo' | 'redo'): Promise<Touched[]> {
    const path = `/api/command/${command}/${direction}.json`;
    const { collection } = await this.call<Collection<StepAnswer>>('GET', path);
    return touchedBy(collection);
  }

  /** Let the service look at an annotation's region ahead of the click. It is a favour: nobody is told if it fails. */
  prepare(annotation: number): void {
    this.call('POST', '/demo/embeddings', { annotation_id: annotation }).catch(() => undefined);
  }

  /** Send a slide file; `told` hears shares from 0 to 1. Only the older of the two ways to send tells how far it is. */
  addSlide(file: File, told: (share: number) => void): Promise<{ image: number }> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('POST', `/demo/slides/${encodeURIComponent(file.name)}`);
      request.setRequestHeader('Authorization', `Bearer ${this.token}`);
      request.upload.onprogress = (event) => told(event.loaded / event.total);
      request.onerror = () => reject(noAnswer('POST'));
      request.onload = () => {
        if (request.status === 201) resolve(JSON.parse(request.responseText) as { image: number });
        else reject(problemOf(request.status, request.getResponseHeader('content-type') ?? '', request.responseText, null));
      };
      request.send(file);
    });
  }

  private call = async <T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> =>
    this.read<T>(await this.answer(method, path, body, signal));

  private async answer(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const answer = await this.send(method, path, body, signal);
    if (answer.status !== 401 || !this.username || !path.startsWith('/api')) return answer;
    await this.enter(this.username); // the token has a day to live
    return this.send(method, path, body, signal);
  }

  private async send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const content = body !== undefined && { body: JSON.stringify(body) };
    try {
      return await fetch(path, { method, headers, ...content, ...(signal && { signal }) });
    } catch {
      throw noAnswer(method);
    }
  }

  private async read<T>(answer: Response): Promise<T> {
    if (!answer.ok) throw await this.refusal(answer);
    const text = await textOf(answer);
    return (text ? JSON.parse(text) : null) as T;
  }

  private async refusal(answer: Response): Promise<Problem> {
    const [type, retryAfter] = [answer.headers.get('content-type') ?? '', answer.headers.get('retry-after')];
    return problemOf(answer.status, type, await textOf(answer), retryAfter);
  }
}

async function textOf(answer: Response): Promise<string> {
  try {
    return await answer.text();
  } catch {
    throw noAnswer('POST'); // broken off in the middle, whatever was asked
  }
}
