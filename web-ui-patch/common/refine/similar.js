/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * "Find others like this": a search in what the map shows, proposals on it, and those that are accepted become annotations
 * of the user, with the terms of the example. Nothing is written before that.
 */

import Vue from 'vue';

import SimilarBar from './SimilarBar.vue';
import {listenToKeys} from './click-keys';
import {annotationsIn, propose} from './core-requests';
import {enterMode, mapOf} from './map-mode';
import {boxOf} from './refinement';
import {SimilarSearch} from './similar-search';
import {storeOnce, wktOf} from './store-once';

const searching = Vue.observable({ids: []});

/** Whether others like an annotation are being looked for, or at, now. */
export function isSearchingLike(id) {
  return searching.ids.includes(id);
}

/**
 * Look for others like an annotation.
 *
 * @param {Object} owner see `mapOwner`
 * @param {Object} annotation the example
 * @param {Object} does of the panel: `say(type, key, ...words)`, `complain(error, {isStoring})`, and `added(made)`, to show and to undo
 */
export async function findSimilar(owner, annotation, does) {
  const {SimilarMap} = await import('./similar-map');
  if (mapOf(owner) && !isSearchingLike(annotation.id)) {
    await new Similar(owner, annotation, does).open(SimilarMap);
  }
}

class Similar {
  constructor(owner, annotation, does) {
    Object.assign(this, {owner, annotation, does, ends: [], drawn: []});
  }

  async open(SimilarMap) {
    const leave = enterMode(this.owner, this.annotation.id, () => this.close());
    const map = new SimilarMap(mapOf(this.owner), key => this.search.toggle(key));
    this.ends.push(leave, () => map.release());
    searching.ids.push(this.annotation.id);
    const region = map.regionOf(this.owner.image);
    this.search = Vue.observable(new SimilarSearch({
      ask: (told, signal) => this.ask(region, told, signal),
      store: proposal => this.store(proposal),
      isExample: geometry => isOneOf(geometry, [boxOf(this.annotation.location)]),
      isThere: geometry => isOneOf(geometry, this.drawn)
    }));
    if (!region) {
      this.does.say('info', 'notif-refine-sam-similar-elsewhere');
      this.close();
      return;
    }
    this.showBar();
    const {search} = this;
    this.ends.push(
      this.owner.$watch(() => [search.shown, search.dropped], ([shown, dropped]) => map.show(shown, dropped), {immediate: true}),
      listenToKeys({'Enter': () => this.accept(), 'Escape': () => this.discard()})
    );
    await this.run();
  }

  /** Ask Core; what this user has drawn there already is known before the first proposal comes. */
  async ask(region, told, signal) {
    const {id, image} = this.annotation;
    const drawn = await annotationsIn(image, boxOf(wktOf(region.geometry)), this.user);
    this.drawn = drawn.map(({location}) => boxOf(location));
    return propose(image, {geometry: region, like: [id]}, told, signal);
  }

  async run() {
    try {
      await this.search.run();
    } catch (error) {
      this.failed(error);
      return;
    }
    if (this.search.isClosed) {
      return;
    }
    const {end: {stopped}, found, known} = this.search;
    if (stopped) {
      this.does.say('warn', `notif-refine-sam-similar-${stopped}`);
    } else if (found.length === 0) {
      this.does.say('info', known > 0 ? 'notif-refine-sam-similar-known' : 'notif-refine-sam-similar-none');
    }
    if (found.length === 0) {
      this.close();
    }
  }

  /** What was found until a search broke off can be used; without any there is nothing to look at. */
  failed(error) {
    if (this.search.isClosed) {
      return;
    }
    if (!this.search.abort.signal.aborted) {
      this.does.complain(error);
    }
    if (this.search.found.length === 0) {
      this.close();
    } else if (!this.search.abort.signal.aborted) {
      this.does.say('warn', 'notif-refine-sam-similar-partial');
    }
  }

  get user() {
    return this.owner.$store.state.currentUser.user.id;
  }

  store({geometry}) {
    const {image, slice, project, term} = this.annotation;
    return storeOnce({location: wktOf(geometry), image, slice, project, term: term || []}, this.user);
  }

  showBar() {
    const bar = new (Vue.extend(SimilarBar))({parent: this.owner, propsData: {search: this.search, say: key => this.owner.$t(key)}});
    bar.$on('accept', () => this.accept());
    bar.$on('discard', () => this.discard());
    this.owner.$el.appendChild(bar.$mount().$el);
    this.ends.push(() => {
      bar.$el.remove();
      bar.$destroy();
    });
  }

  async accept() {
    const {search} = this;
    if (!search.canAccept) {
      return;
    }
    const refusedBefore = search.refused.length;
    const {made, failed} = await search.accept();
    if (made.length > 0) {
      this.does.added(made);
      this.does.say('success', 'notif-refine-sam-similar-saved', made.length);
    }
    const refused = search.refused.slice(refusedBefore);
    if (refused.length > 0) {
      this.does.say('warn', 'notif-refine-sam-similar-refused', refused.length);
    }
    if (failed) {
      this.does.complain(failed, {isStoring: true});
      this.does.say('warn', 'notif-refine-sam-similar-unfinished');
    } else if (!search.isStopped) {
      this.close();
    }
  }

  /** Stop what goes on; where nothing does, leave. */
  discard() {
    if (this.search.isStoring) {
      this.search.stop();
    } else {
      this.close();
    }
  }

  close() {
    if (this.search.isClosed) {
      return;
    }
    this.search.close();
    this.ends.forEach(end => end());
    searching.ids = searching.ids.filter(id => id !== this.annotation.id);
  }
}

/** Whether a proposal's box and one of some others overlap by more than half of both together. */
function isOneOf(geometry, boxes) {
  const a = boxOf(wktOf(geometry));
  return boxes.some(b => {
    if (!b) {
      return false;
    }
    const side = (low, high) => Math.max(0, Math.min(a[high], b[high]) - Math.max(a[low], b[low]));
    const common = side(0, 2) * side(1, 3);
    return common > 0.5 * (areaOf(a) + areaOf(b) - common);
  });
}

function areaOf([x0, y0, x1, y1]) {
  return (x1 - x0) * (y1 - y0);
}
