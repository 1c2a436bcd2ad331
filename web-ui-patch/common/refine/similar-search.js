/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * A search for others like an annotation: what was found, which of it is chosen, and how far the choice is stored. It knows no
 * map, no framework and no host.
 */

const LEAST = 0.5; // likeness, to begin with
export const LOWEST = 0.4; // the service proposes nothing that is less like the example

/** What a proposal is chosen by: its likeness, or how sure the model is where nothing tells a likeness. */
export function worthOf({likeness, confidence, score}) {
  return [likeness, confidence, score].find(value => typeof value === 'number') || 0;
}

/** Reads lines, each a JSON object, of a text that grows. */
export class LineReader {
  constructor() {
    this.read = 0;
  }

  /** The objects of the lines that are whole and new. */
  next(text) {
    const end = text.lastIndexOf('\n') + 1;
    const lines = text.slice(this.read, Math.max(end, this.read)).split('\n').filter(line => line.trim());
    this.read = Math.max(end, this.read);
    return lines.map(line => JSON.parse(line));
  }
}

export class SimilarSearch {
  /**
   * @param {Object} on
   * @param {function(function(string): void, AbortSignal): Promise<string>} on.ask asks; tells of the text so far, gives all of it
   * @param {function(Object): Promise<Object>} on.store makes an annotation of a proposal; see `storeOnce`
   * @param {function(Object): boolean} on.isExample whether an outline is the example itself, which is like itself
   * @param {function(Object): boolean} on.isThere whether an outline is one that this user has drawn already
   */
  constructor({ask, store, isExample, isThere}) {
    Object.assign(this, {ask, store, isExample, isThere});
    this.found = []; // proposals, in the order of coming
    this.known = 0; // left out, because they are there already
    this.dropped = []; // their numbers
    this.stored = []; // what Core has made of those that are accepted
    this.refused = []; // {key, error}: those that Core will not take
    this.least = LEAST;
    this.tile = 0;
    this.tiles = 0;
    this.end = null; // the last line
    this.isSearching = false;
    this.isStoring = false;
    this.isStopped = false;
    this.isClosed = false;
    this.abort = new AbortController();
  }

  /** What is left to choose among: neither stored nor refused. */
  get left() {
    const gone = new Set([...this.stored.map(({key}) => key), ...this.refused.map(({key}) => key)]);
    return this.found.filter(({key}) => !gone.has(key));
  }

  /** What the slider lets through. */
  get shown() {
    return this.left.filter(proposal => worthOf(proposal) >= this.least);
  }

  /** What would be accepted now. */
  get chosen() {
    return this.shown.filter(({key}) => !this.dropped.includes(key));
  }

  get canAccept() {
    return !this.isSearching && !this.isStoring && this.chosen.length > 0;
  }

  /**
   * Search, to the end or until it is closed.
   *
   * @returns {Promise<void>} rejected with the error of the request, or with one that has the `problem` told in the middle
   */
  async run() {
    const lines = new LineReader();
    const take = text => !this.isClosed && lines.next(text).forEach(line => this.take(line));
    this.isSearching = true;
    try {
      const all = await this.ask(take, this.abort.signal);
      take(all);
    } finally {
      this.isSearching = false;
    }
    if (!this.isClosed && !(this.end && this.end.done)) {
      throw Object.assign(new Error('The search broke off'), {problem: (this.end && this.end.problem) || {}});
    }
  }

  take(line) {
    if (typeof line.done === 'boolean') {
      this.end = line;
      return;
    }
    const {proposal, likeness, confidence, score, tile, tiles} = line.properties;
    Object.assign(this, {tile, tiles});
    if (this.isExample(line.geometry)) {
      return;
    }
    if (this.isThere(line.geometry)) {
      this.known += 1;
    } else {
      this.found.push(Object.freeze({key: proposal, geometry: line.geometry, likeness, confidence, score})); // frozen: not watched
    }
  }

  /** Show what is worth so much, from 0 to 1. */
  show(least) {
    this.least = least;
  }

  /** Drop a proposal, or take it back. */
  toggle(key) {
    if (!this.isStoring) {
      this.dropped = this.dropped.includes(key) ? this.dropped.filter(each => each !== key) : [...this.dropped, key];
    }
  }

  /** Stop a search and keep what was found, or stop storing after those that are on their way. */
  stop() {
    if (this.isStoring) {
      this.isStopped = true;
    } else {
      this.abort.abort();
    }
  }

  /**
   * Make annotations of what is chosen, few at a time. One that Core will not take does not keep the others; whatever stops
   * all of them leaves the rest chosen, so that accepting again goes on.
   *
   * @returns {Promise<{made: Object[], failed: ?Error}>} the annotations made this time, and what stopped the rest
   */
  async accept() {
    const waiting = this.chosen;
    const before = this.stored.length;
    let failed = null;
    const work = async () => {
      for (let next = waiting.shift(); next && !failed && !this.isStopped; next = waiting.shift()) {
        failed = await this.storeOne(next) || failed;
      }
    };
    this.isStoring = true;
    this.isStopped = false;
    try {
      await Promise.all([work(), work(), work()]);
    } finally {
      this.isStoring = false;
    }
    return {made: this.stored.slice(before).map(({annotation}) => annotation), failed};
  }

  /** Store one; gives the error if it concerns the others too. */
  async storeOne(proposal) {
    try {
      this.stored.push({key: proposal.key, annotation: await this.store(proposal)});
    } catch (error) {
      if (!isItsOwn(error)) {
        return error;
      }
      this.refused.push({key: proposal.key, error});
    }
    return null;
  }

  /** End it: whatever still comes is dropped. */
  close() {
    this.isClosed = true;
    this.isStopped = true;
    this.abort.abort();
  }
}

/** Whether a refusal is about this outline alone. */
function isItsOwn({response}) {
  return Boolean(response) && [400, 409, 413, 422].includes(response.status);
}
