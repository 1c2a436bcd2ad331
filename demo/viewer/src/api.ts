/** Core, PIMS and the demo's own routes, over HTTP. Whatever goes wrong is a `Problem`. */

import type {
  About,
  Annotation,
  Collection,
  CommandAnswer,
  ImageInstance,
  PimsInfo,
  Refinement,
  Term,
  User,
} from './types';

/** What a person is told: a title, a detail, and when to try again. */
export class Problem extends Error {
  constructor(
    readonly title: string,
    readonly detail: string,
    readonly status = 0,
    readonly retryAfterS: number | null = null,
  ) {
    super(`${title}: ${detail}`);
  }
}

/** Give the problem of an answer: RFC 9457, Core's two forms of errors, or a page. */
export function problemOf(status: number, contentType: string, text: string, retryAfter: string | null): Problem {
  const seconds = retryAfter !== null && Number.isFinite(Number(retryAfter)) ? Number(retryAfter) : null;
  if (contentType.includes('json')) {
    const body = parsed(text);
    if (typeof body.title === 'string') {
      const detail = body.detail ?? body.details; // the second is PIMS' word
      return new Problem(body.title, typeof detail === 'string' ? detail : '', status, seconds);
    }
    const errors = body.errors as string | { message?: string } | undefined;
    const message = typeof errors === 'string' ? errors : errors?.message;
    if (message) return new Problem('Cytomine says no', message, status, seconds);
  }
  const titles: Record<number, string> = { 401: 'Your session has ended', 404: 'Not found' };
  return new Problem(titles[status] ?? 'Cytomine failed', `The server answered with status ${status}.`, status, seconds);
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const NO_ANSWER = new Problem('Cytomine cannot be reached', 'Is the demo still running? Nothing has been changed.');

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

  images = async (project: number) =>
    (await this.call<Collection<ImageInstance>>('GET', `/api/project/${project}/imageinstance.json`)).collection;
  image = (id: number) => this.call<ImageInstance>('GET', `/api/imageinstance/${id}.json`);
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
  create = (image: number, location: string) =>
    this.call<CommandAnswer>('POST', '/api/annotation.json', { image, location });

  /** Core rebuilds an annotation from all of its fields, so they are read first. */
  async move(id: number, location: string): Promise<CommandAnswer> {
    const record = await this.annotation(id);
    return this.call<CommandAnswer>('PUT', `/api/annotation/${id}.json`, { ...record, location });
  }

  remove = (id: number) => this.call<CommandAnswer>('DELETE', `/api/annotation/${id}.json`);

  refine = (id: number, keepPoints: boolean) =>
    this.call<{ annotation: Annotation; refinement: Refinement }>('POST', `/api/annotation/${id}/sam`, { keepPoints });

  async command(command: number, direction: 'undo' | 'redo'): Promise<CommandAnswer> {
    const path = `/api/command/${command}/${direction}.json`;
    const answer = (await this.call<Collection<CommandAnswer>>('GET', path)).collection[0];
    if (!answer?.annotation) throw new Problem(`Nothing to ${direction}`, answer?.message ?? 'Core knows no command.');
    return answer;
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
      request.onerror = () => reject(NO_ANSWER);
      request.onload = () => {
        if (request.status === 201) resolve(JSON.parse(request.responseText) as { image: number });
        else reject(problemOf(request.status, request.getResponseHeader('content-type') ?? '', request.responseText, null));
      };
      request.send(file);
    });
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.send(method, path, body);
    if (answer.status === 401 && this.username && path.startsWith('/api')) {
      await this.enter(this.username); // the token has a day to live
      return this.read<T>(await this.send(method, path, body));
    }
    return this.read<T>(answer);
  }

  private async send(method: string, path: string, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    try {
      return await fetch(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    } catch {
      throw NO_ANSWER;
    }
  }

  private async read<T>(answer: Response): Promise<T> {
    const text = await answer.text();
    if (!answer.ok) {
      throw problemOf(answer.status, answer.headers.get('content-type') ?? '', text, answer.headers.get('retry-after'));
    }
    return (text ? JSON.parse(text) : null) as T;
  }
}
