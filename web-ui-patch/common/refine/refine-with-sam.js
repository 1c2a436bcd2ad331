/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * What "Refine with SAM" does, apart from how it looks: ask Core, bring the answer onto the map, and tell how it went.
 * What differs between the generations of Cytomine is in refine-host.js.
 */

import Vue from 'vue';

import {correct, isCorrecting, rememberBox} from './correction';
import {mapOwner} from './map-mode';
import {findSimilar, isSearchingLike} from './similar';
import {similarProblemOf} from './similar-problems';
import {host} from './refine-host';

const KEEP_POINTS = 'refine-sam-keep-points';
const STATUSES = [401, 403, 404, 409, 413, 422, 429, 502, 503, 504];
const URN = 'urn:cytomine-refine:';
const NAMED = ['not-public', 'preview-unfit'];
// Told by whoever stands before the service and has lost sight of it.
const LOST = ['service-absent', 'service-slow', 'service-nonsense'].map(type => URN + type);

// Shared by all panels: who selects something else and comes back still sees that the refine is running.
const running = Vue.observable({ids: []});
// Whether Core can preview, as far as it is known; the stock route of 2026 cannot.
const core = Vue.observable({lacksPreviews: false});

/**
 * Whether an annotation can be refined at all: drawn by a user, and with an area.
 *
 * @param {Object} annotation
 * @returns {boolean}
 */
export function isRefinable(annotation) {
  return annotation.type === host.userType && annotation.area > 0 && !/POINT|LINE/i.test(annotation.location || '');
}

/**
 * What to tell about a failed request.
 *
 * @param {Error} error what the API client rejected with; without a response where none came
 * @returns {{key: string, detail: string, mayHaveWritten: boolean}} translation key; the problem's own words, maybe empty;
 *     and whether the annotation may have been changed all the same
 */
export function problemOf(error) {
  const response = error.response;
  if (!response) {
    return {key: 'notif-refine-sam-no-answer', detail: '', mayHaveWritten: true};
  }
  const data = response.data || {};
  const detail = data.detail || (data.errors && data.errors.message) || data.errors || ''; // Core has two forms of errors
  return {
    key: `notif-refine-sam-${keyOf(response.status, data.type)}`,
    detail: typeof detail === 'string' ? detail : '',
    mayHaveWritten: mayHaveWritten(response.status, data)
  };
}

/** A 403 is the user's only where Core refuses; one of the proxy is the administrator's. Some types say more than a status. */
function keyOf(status, type) {
  const named = NAMED.find(name => type === URN + name);
  if (named) {
    return named;
  }
  return STATUSES.includes(status) ? status : 'error';
}

/** The service says it itself; where something else answers in its place, nobody knows. */
function mayHaveWritten(status, {type, written}) {
  if (typeof written === 'boolean') {
    return written;
  }
  return String(type).startsWith(URN) ? LOST.includes(type) : status >= 500;
}

export default {
  name: 'refine-with-sam',
  props: {
    annotation: {type: Object, required: true},
    canEdit: {type: Boolean, required: true}
  },
  data() {
    return {
      keepPoints: localStorage.getItem(KEEP_POINTS) === 'true',
      offersKeepPoints: host.offersKeepPoints,
      isInViewer: this.viewerIndex() !== undefined
    };
  },
  computed: {
    isShown() {
      return this.canEdit && isRefinable(this.annotation);
    },
    isRunning() {
      return running.ids.includes(this.annotation.id);
    },
    isBusy() {
      return this.isRunning || isCorrecting(this.annotation.id) || isSearchingLike(this.annotation.id);
    },
    offersCorrection() {
      return this.isInViewer && !core.lacksPreviews;
    }
  },
  watch: {
    keepPoints(value) {
      localStorage.setItem(KEEP_POINTS, value);
    }
  },
  mounted() {
    this.stopListening = host.listen(this, 'shortkeyEvent', this.shortkey);
  },
  beforeDestroy() {
    this.stopListening();
  },
  methods: {
    /** The host's own shortcuts, of the image that has the focus. */
    shortkey(key) {
      const verb = {'tool-refine-sam': this.refine, 'tool-refine-sam-correct': this.correct}[key];
      const viewer = this.$store.getters['currentProject/currentViewer'];
      const hasFocus = viewer && String(viewer.activeImage) === this.viewerIndex(); // a number until the first click
      if (verb && this.isShown && this.isInViewer && hasFocus) {
        verb();
      }
    },

    async refine() {
      if (this.isBusy) {
        return;
      }
      const annotation = this.annotation; // the panel may show another one when the answer comes
      const viewer = this.viewerIndex(); // the panel may be gone by then
      running.ids.push(annotation.id);
      try {
        const answer = await host.refine(annotation, {keepPoints: this.keepPoints, doubtful: 'preview'});
        if (answer.preview) {
          await this.showDoubtful(annotation, answer, viewer);
        } else {
          await this.showWritten(annotation, answer, viewer);
        }
      } catch (error) {
        await this.complain(annotation, problemOf(error));
      } finally {
        running.ids = running.ids.filter(id => id !== annotation.id);
      }
    },

    /** Correct the outline with clicks on the map. */
    async correct() {
      if (this.isBusy || !this.offersCorrection) {
        return;
      }
      const annotation = this.annotation;
      const viewer = this.viewerIndex();
      running.ids.push(annotation.id);
      try {
        core.lacksPreviews = !(await host.canPreview());
        if (core.lacksPreviews) {
          this.$notify({type: 'info', text: this.$t('notif-refine-sam-no-previews')});
        } else {
          await this.openClicks(annotation, viewer, null);
        }
      } catch (error) {
        await this.complain(annotation, {...problemOf(error), mayHaveWritten: false});
      } finally {
        running.ids = running.ids.filter(id => id !== annotation.id);
      }
    },

    /** Look for others like this annotation in what the map shows. */
    async findSimilar() {
      const owner = mapOwner(this);
      if (this.isBusy || !owner) {
        return;
      }
      const annotation = this.annotation;
      const viewer = this.viewerIndex();
      const say = (type, key, ...words) => this.$notify({type, text: [this.$t(key), ...words].filter(word => word !== '').join(' ')});
      await findSimilar(owner, annotation, {
        say,
        complain: (error, options) => {
          const {key, detail} = similarProblemOf(error, options);
          say('error', key, detail);
        },
        added: made => this.showAdded(annotation, made, viewer)
      });
    },

    /** Bring accepted annotations onto the map, and onto the viewer's undo as one deed. */
    showAdded(like, made, viewer) {
      made.forEach(json => host.emit(this, 'addAnnotation', host.added(json, like, this.$store.state.currentUser.user.id)));
      this.rememberForUndo(like, made.map(({id, location}) => ({id, location, term: like.term || []})), viewer);
    },

    /** Show an outline that the service doubts, and did not write; where there is no map, say so. */
    async showDoubtful(annotation, answer, viewer) {
      const isOpen = this.annotation.id === annotation.id && await this.openClicks(annotation, viewer, answer);
      const key = isOpen ? 'notif-refine-sam-doubtful' : 'notif-refine-sam-doubtful-unseen';
      this.$notify({type: 'warn', text: [this.$t(key), ...answer.doubts].join(' ')});
    },

    /** Take the map's clicks; gives whether there is a map. */
    async openClicks(annotation, viewer, preview) {
      const owner = this._isBeingDestroyed ? null : mapOwner(this);
      if (owner) {
        const does = {
          written: outcome => this.showWritten(annotation, outcome, viewer),
          complain: (error, {isPreview = false} = {}) => {
            const problem = problemOf(error);
            problem.mayHaveWritten = problem.mayHaveWritten && !isPreview;
            this.complain(annotation, problem);
            return problem;
          }
        };
        await correct(owner, annotation, does, preview, host.offersKeepPoints ? {keepPoints: this.keepPoints} : {});
      }
      return Boolean(owner);
    },

    async showWritten(annotation, answer, viewer) {
      await this.show(annotation, answer, viewer);
      if (answer.changed) {
        rememberBox(answer.annotation, answer);
      }
      this.tell(answer);
    },

    /** The place in the viewer that the panel belongs to, as its containers call it; undefined outside of a viewer. */
    viewerIndex() {
      let container = this.$parent;
      while (container && container.index === undefined) {
        container = container.$parent;
      }
      return container && container.index;
    },

    /** Bring the new outline onto the map and into lists, with everything that hangs on the annotation. */
    async show(before, {annotation, commands, changed, pointsDeleted}, viewer) {
      pointsDeleted.forEach(id => host.emit(this, 'deleteAnnotation', this.deletedPoint(before, id)));
      if (!changed) {
        return;
      }
      try {
        await this.place(annotation, before);
      } catch (error) { // the outline is stored; only what hangs on it could not be read
        host.emit(this, 'reloadAnnotations', {idImage: before.image, hard: true});
      }
      if (viewer === undefined) {
        this.$emit('reload'); // lists outside of a viewer do not hear the bus
      } else {
        this.rememberForUndo(before, commands, viewer);
      }
    },

    async place(json, before) {
      const after = await host.restored(json, before);
      host.emit(this, 'editAnnotation', after);
      host.emit(this, 'reloadAnnotationCrop', after);
    },

    /** Tell of a problem; where something may have been written, show what is stored. */
    async complain(annotation, {key, detail, mayHaveWritten}) {
      const told = [this.$t(key), detail];
      if (mayHaveWritten) {
        told.push(this.$t(await this.isLoadedAgain(annotation) ? 'notif-refine-sam-loaded-again' : 'notif-refine-sam-look'));
      }
      this.$notify({type: 'error', text: told.filter(Boolean).join(' ')});
    },

    async isLoadedAgain(annotation) {
      try {
        await this.place(await host.read(annotation.id), annotation);
      } catch (error) {
        return false;
      }
      host.emit(this, 'reloadAnnotations', {idImage: annotation.image}); // points may be gone
      return true;
    },

    deletedPoint(before, id) {
      const {image, slice, project} = before;
      return {id, type: host.userType, user: this.$store.state.currentUser.user.id, image, slice, project};
    },

    /** Add the change to the viewer's own undo, if it still shows the image; see reverse-refinement.js. */
    rememberForUndo(annot, commands, index) {
      const viewer = this.$store.getters['currentProject/currentViewer'];
      const shown = viewer && viewer.images[index];
      if (commands.length === 0 || !shown || shown.imageInstance.id !== annot.image) {
        return;
      }
      host.Cytomine.instance.lastCommand = commands; // the viewer takes the handles from there
      const module = this.$store.getters['currentProject/imageModule'](index);
      this.$store.commit(module + 'addAction', {annot, type: host.updateAction});
    },

    /** Whether there is doubt is the service's to say, in its own words. */
    tell({changed, doubts, pointsNotDeleted}) {
      let [type, key] = ['success', 'notif-refine-sam-success'];
      if (!changed) {
        [type, key] = ['info', 'notif-refine-sam-nothing-found'];
      } else if (pointsNotDeleted.length > 0) {
        [type, key] = ['warn', 'notif-refine-sam-points-left'];
      } else if (doubts.length > 0) {
        type = 'warn';
      }
      this.$notify({type, text: [this.$t(key), ...doubts].join(' ')});
    }
  }
};
