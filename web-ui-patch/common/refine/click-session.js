/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * The clicks on one annotation, from the first to the outline that is accepted or discarded. It knows no map, no framework
 * and no host: it is told of clicks, asks for previews, and keeps what there is to show.
 *
 * At most one preview is asked for at a time. What is clicked meanwhile is asked for together, when that one has come, and an
 * answer to clicks that have changed since is dropped: the latest click wins, and Core is asked no more than needed.
 */

export const OBJECT = 1;
export const BACKGROUND = 0;

const SINGLE = 'single'; // the service's name for the mask that is none of several

export class ClickSession {
  /**
   * @param {Object} service
   * @param {function(Object, ?AbortSignal): Promise<Object>} service.ask refines with these options; gives an outcome
   * @param {function(Error): void} service.complain is told of each preview that did not come
   * @param {Object} prompts what is asked with every preview, such as `box` and `points`
   * @param {?Object} answer a preview that is there already
   */
  constructor({ask, complain}, prompts, answer = null) {
    this.ask = ask;
    this.complain = complain;
    this.prompts = prompts;
    this.clicks = [];
    this.label = OBJECT; // what a plain click says
    this.proposal = null; // the one that the user chose, for all clicks from then on
    this.past = []; // the clicks as they were, for undo
    this.answer = answer;
    this.settled = {clicks: [], proposal: null, past: []}; // what the answer belongs to
    this.own = null; // the one that the service takes by itself
    this.single = null; // the outline of the mask that is none of the three, where it is known for these clicks
    this.learn();
    this.isAsking = false;
    this.isStale = false;
    this.isWriting = false;
    this.isClosed = false;
    this.abort = new AbortController();
  }

  /** Whether the outline on the screen is the one of these clicks, and can be written. */
  get canAccept() {
    return !this.isAsking && !this.isWriting && Boolean(this.answer && this.answer.preview);
  }

  get canUndo() {
    return this.past.length > 0 && !this.isWriting;
  }

  /** What can be chosen among, in the order of going round, and which of it is shown: -1 where it is none of them. */
  get choice() {
    const proposed = this.answer ? this.answer.proposals.filter(({geometry}) => geometry) : [];
    const all = this.own === SINGLE ? [{index: SINGLE, geometry: this.single}, ...proposed] : proposed;
    const taken = this.proposal === null ? this.answer && this.answer.proposal : this.proposal;
    return {all, at: all.findIndex(({index}) => index === taken)};
  }

  /** The outline to show, null where there is none. */
  get geometry() {
    const {all, at} = this.choice;
    if (this.isAsking && this.proposal !== null && at >= 0 && all[at].geometry) {
      return all[at].geometry; // at once, while its preview is on the way
    }
    return this.answer && this.answer.preview ? this.answer.geometry : null;
  }

  /** Say of a place that it is object or background. */
  add(x, y, label = this.label) {
    return this.step([...this.clicks, {x, y, label}]);
  }

  remove(index) {
    return this.step(this.clicks.filter((_, at) => at !== index));
  }

  /** Take the last click, or the last removal of one, back. */
  undo() {
    if (!this.canUndo) {
      return Promise.resolve();
    }
    this.clicks = this.past.pop();
    return this.moved();
  }

  /** Let plain clicks say the other thing from now on. */
  toggle() {
    this.mean(this.label === OBJECT ? BACKGROUND : OBJECT);
  }

  /** Let plain clicks say this from now on. */
  mean(label) {
    this.label = label;
  }

  /** Show the next of the outlines that the model proposes. */
  next() {
    const {all, at} = this.choice;
    if (all.length < 2 || this.isWriting) {
      return Promise.resolve();
    }
    this.proposal = all[(at + 1) % all.length].index;
    return this.preview();
  }

  step(clicks) {
    if (this.isWriting || this.isClosed) {
      return Promise.resolve();
    }
    this.past.push(this.clicks);
    this.clicks = clicks;
    return this.moved();
  }

  moved() {
    this.single = null;
    return this.preview();
  }

  /** Ask for the outline of what is clicked now. */
  async preview() {
    this.isStale = true;
    if (this.isAsking) {
      return;
    }
    this.isAsking = true;
    try {
      while (this.isStale && !this.isClosed) {
        this.isStale = false;
        await this.askOnce();
      }
    } finally {
      this.isAsking = false;
    }
  }

  async askOnce() {
    const asked = {clicks: this.clicks, proposal: this.proposal, past: [...this.past]};
    try {
      const answer = await this.ask(this.request(), this.abort.signal);
      if (!this.isStale && !this.isClosed) {
        this.answer = answer;
        this.settled = asked;
        this.learn();
      }
    } catch (error) {
      if (!this.isStale && !this.isClosed) {
        this.stepBack();
        this.complain(error);
      }
    }
  }

  /** Take from an answer what the next ones do not tell. */
  learn() {
    if (this.answer && this.proposal === null) {
      this.own = this.answer.proposal;
    }
    if (this.answer && this.answer.proposal === SINGLE) {
      this.single = this.answer.geometry;
    }
  }

  /** Return to the clicks that the outline on the screen belongs to. */
  stepBack() {
    const {clicks, proposal, past} = this.settled;
    Object.assign(this, {clicks, proposal, past: [...past]});
    this.learn();
  }

  request() {
    const options = {...this.prompts, dryRun: true, clicks: this.clicks};
    return this.proposal === null ? options : {...options, proposal: this.proposal};
  }

  /**
   * Write exactly the outline on the screen. What is on its way to be written is never cancelled.
   *
   * @param {Object} options what may stand beside a preview
   * @returns {Promise<Object>} the outcome of the write
   */
  async accept(options) {
    this.isWriting = true;
    try {
      return await this.ask({...options, preview: this.answer.preview});
    } catch (error) {
      this.isWriting = false;
      throw error;
    }
  }

  /** End it: whatever still comes is dropped. */
  close() {
    this.isClosed = true;
    this.abort.abort();
  }
}
