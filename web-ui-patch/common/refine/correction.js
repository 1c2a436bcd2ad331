/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * Correcting an outline with clicks on the host's map: the clicks, what shows them, the keys, and their end. It lives as long
 * as the map shows the image and no other tool is taken, not as long as the panel that began it.
 */

import Vue from 'vue';

import ClickBar from './ClickBar.vue';
import {listenToKeys} from './click-keys';
import {ClickSession} from './click-session';
import {enterMode, mapOf} from './map-mode';
import {host} from './refine-host';
import {boxOf, isSameShape} from './refinement';

const ENDS_IT = [403, 404];

const corrections = Vue.observable({ids: []});

// The box with which an outline was found, as long as the annotation has that outline: another prompt would drift.
const firstBoxes = new Map();

/** Whether an annotation is being corrected now. */
export function isCorrecting(id) {
  return corrections.ids.includes(id);
}

/** Remember the prompt of an outline that was written. */
export function rememberBox({id, location}, {box}) {
  if (box) {
    firstBoxes.set(id, {box, location});
  }
}

/** The box that goes with every click: the one of the outline's own time, or the shape's. */
function firstBoxOf({id, location}) {
  const known = firstBoxes.get(id);
  return known && isSameShape(known.location, location) ? known.box : boxOf(location);
}

/**
 * Begin to correct an annotation.
 *
 * @param {Object} owner see `mapOwner`
 * @param {Object} annotation
 * @param {Object} does `written(outcome)` and `complain(error)`, of the panel
 * @param {?Object} preview a doubtful outline that is there already, made with the point annotations around it
 * @param {Object} options what goes along with the write
 */
export async function correct(owner, annotation, does, preview, options) {
  const {ClickMap} = await import('./click-map');
  const map = mapOf(owner);
  if (!map || isCorrecting(annotation.id)) {
    return;
  }
  const correction = new Correction(owner, annotation, does, options);
  correction.open(map, ClickMap, preview);
}

class Correction {
  constructor(owner, annotation, does, options) {
    Object.assign(this, {owner, annotation, does, options, ends: []});
  }

  open(hostMap, ClickMap, preview) {
    const close = () => this.close();
    const leave = enterMode(this.owner, this.annotation.id, close);
    const map = new ClickMap(hostMap, this);
    const prompts = preview ? {box: preview.box} : {box: firstBoxOf(this.annotation), points: 'ignore'};
    const ask = (body, signal) => host.refine(this.annotation, body, signal);
    const session = Vue.observable(new ClickSession({ask, complain: error => this.failed(error)}, withValues(prompts), preview));
    this.session = session;
    corrections.ids.push(this.annotation.id);
    this.showBar();
    this.ends.push(
      () => map.release(),
      leave,
      this.owner.$watch(() => [session.geometry, session.clicks], ([geometry, clicks]) => map.show(geometry, clicks), {immediate: true}),
      listenToKeys({
        'Enter': () => this.accept(), 'Escape': () => this.discard(), 'Tab': () => session.next(), 'n': () => session.next(), 'z': () => session.undo(), 'x': () => session.toggle()
      })
    );
    if (!preview) {
      session.preview();
    }
  }

  showBar() {
    const bar = new (Vue.extend(ClickBar))({parent: this.owner, propsData: {session: this.session, say: key => this.owner.$t(key)}});
    bar.$on('accept', () => this.accept());
    bar.$on('discard', () => this.discard());
    this.owner.$el.appendChild(bar.$mount().$el);
    this.ends.push(() => {
      bar.$el.remove();
      bar.$destroy();
    });
  }

  click(x, y, label) {
    this.session.add(x, y, label);
  }

  remove(index) {
    this.session.remove(index);
  }

  async accept() {
    if (!this.session.canAccept) {
      return;
    }
    let outcome;
    try {
      outcome = await this.session.accept(this.options);
    } catch (error) {
      this.refused(error);
      return;
    }
    this.close();
    await this.does.written(outcome);
  }

  /** What is being written cannot be left any more. */
  discard() {
    if (!this.session.isWriting) {
      this.close();
    }
  }

  /** Where it may be written, or can never be, it is over; where it does not fit any more, a new one is shown. */
  refused(error) {
    const status = error.response && error.response.status;
    if (!this.does.complain(error).mayHaveWritten && !ENDS_IT.includes(status)) {
      if (status === 409) {
        this.session.preview();
      }
      return;
    }
    this.close();
  }

  /** A preview did not come: without any outline there is nothing to correct. */
  failed(error) {
    this.does.complain(error, {isPreview: true});
    if (!this.session.answer) {
      this.close();
    }
  }

  close() {
    if (this.session.isClosed) {
      return;
    }
    this.session.close();
    this.ends.forEach(end => end());
    corrections.ids = corrections.ids.filter(id => id !== this.annotation.id);
  }
}

function withValues(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value));
}
