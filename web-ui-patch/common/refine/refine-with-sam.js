/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * What "Refine with SAM" does, apart from how it looks: ask Core, bring the answer onto the map, and tell how it went.
 * What differs between the generations of Cytomine is in refine-host.js.
 */

import Vue from 'vue';

import {host} from './refine-host';

/** Predicted IoU below which the user is asked to look closely. */
export const LOW_SCORE = 0.6;

const KEEP_POINTS = 'refine-sam-keep-points';
const STATUSES = [401, 403, 404, 409, 413, 422, 429, 502, 503, 504];

// Shared by all panels: who selects something else and comes back still sees that the refine is running.
const running = Vue.observable({ids: []});

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
 * @returns {{key: string, detail: string}} translation key, and the problem's own words, maybe empty
 */
export function problemOf(error) {
  const response = error.response;
  if (!response) {
    return {key: 'notif-refine-sam-no-answer', detail: ''};
  }
  const data = response.data || {};
  const detail = data.detail || (data.errors && data.errors.message) || data.errors || ''; // Core has two forms of errors
  const key = STATUSES.includes(response.status) ? response.status : 'error';
  return {key: `notif-refine-sam-${key}`, detail: typeof detail === 'string' ? detail : ''};
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
      offersKeepPoints: host.offersKeepPoints
    };
  },
  computed: {
    isShown() {
      return this.canEdit && isRefinable(this.annotation);
    },
    isRunning() {
      return running.ids.includes(this.annotation.id);
    }
  },
  watch: {
    keepPoints(value) {
      localStorage.setItem(KEEP_POINTS, value);
    }
  },
  methods: {
    async refine() {
      const annotation = this.annotation; // the panel may show another one when the answer comes
      if (running.ids.includes(annotation.id)) {
        return;
      }
      const viewer = this.viewerIndex(); // the panel may be gone by then
      running.ids.push(annotation.id);
      try {
        const answer = await host.refine(annotation, {keepPoints: this.keepPoints});
        await this.show(annotation, answer, viewer);
        this.tell(answer);
      } catch (error) {
        const {key, detail} = problemOf(error);
        this.$notify({type: 'error', text: [this.$t(key), detail].filter(Boolean).join(' ')});
      } finally {
        running.ids = running.ids.filter(id => id !== annotation.id);
      }
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
    async show(before, {annotation, command, changed, pointsDeleted, pointsUnknown}, viewer) {
      pointsDeleted.forEach(id => host.emit(this, 'deleteAnnotation', this.deletedPoint(before, id)));
      if (!changed) {
        return;
      }
      try {
        const after = await host.restored(annotation, before);
        host.emit(this, 'editAnnotation', after);
        host.emit(this, 'reloadAnnotationCrop', after);
      } catch (error) { // the outline is stored; only what hangs on it could not be read
        host.emit(this, 'reloadAnnotations', {idImage: before.image, hard: true});
      }
      if (pointsUnknown) {
        host.emit(this, 'reloadAnnotations', {idImage: before.image});
      }
      if (viewer === undefined) {
        this.$emit('reload'); // lists outside of a viewer do not hear the bus
      } else {
        this.rememberForUndo(before, command, viewer);
      }
    },

    deletedPoint(before, id) {
      const {image, slice, project} = before;
      return {id, type: host.userType, user: this.$store.state.currentUser.user.id, image, slice, project};
    },

    /** Add the change to the viewer's own undo, if it still shows the image. */
    rememberForUndo(annot, command, index) {
      const viewer = this.$store.getters['currentProject/currentViewer'];
      const shown = viewer && viewer.images[index];
      if (!command || !shown || shown.imageInstance.id !== annot.image) {
        return;
      }
      host.Cytomine.instance.lastCommand = command; // the viewer takes the handle from there
      const module = this.$store.getters['currentProject/imageModule'](index);
      this.$store.commit(module + 'addAction', {annot, type: host.updateAction});
    },

    tell({changed, score, pointsNotDeleted}) {
      if (!changed) {
        this.$notify({type: 'info', text: this.$t('notif-refine-sam-nothing-found')});
      } else if (score !== null && score < LOW_SCORE) {
        this.$notify({type: 'warn', text: this.$t('notif-refine-sam-low-score')});
      } else if (pointsNotDeleted.length > 0) {
        this.$notify({type: 'warn', text: this.$t('notif-refine-sam-points-left')});
      } else {
        this.$notify({type: 'success', text: this.$t('notif-refine-sam-success')});
      }
    }
  }
};
