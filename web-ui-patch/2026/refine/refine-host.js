/** What "Refine with SAM" needs of web UI 3.4 (2026): Core's stock route, with or without our addition behind it. */

import { Annotation, AnnotationType, Cytomine } from '@/api';
import {
  Action,
  updateAnnotationLinkProperties,
  updateTermProperties,
  updateTrackProperties
} from '@/utils/annotation-utils';
import eventBus from '@/utils/event-bus';

import { isSameShape, outcomeOf } from './refinement';

const URN = 'urn:cytomine-refine:';
let hasAddition; // not known yet

export const host = {
  generation: '2026',
  userType: AnnotationType.USER,
  updateAction: Action.UPDATE,
  offersKeepPoints: false,
  bus: eventBus,

  /** The client, read late: the host's tests of the panel put only a part of the API in its place. */
  get Cytomine() {
    return Cytomine;
  },

  /**
   * Ask Core's stock route. It answers the annotation, the same one if nothing was found; what it is told besides, it ignores.
   * With our addition the service's own answer comes along, and there is something to undo.
   */
  async refine(annotation, options, signal) {
    const { data } = await Cytomine.instance.api.post(`annotations/${annotation.id}/refine`, options, { signal });
    const { refinement, command, ...json } = data;
    if (refinement) {
      hasAddition = true;
      return { annotation: json, ...outcomeOf(refinement, command) };
    }
    const changed = !isSameShape(annotation.location, json.location);
    return { annotation: json, ...outcomeOf({ changed }, null) };
  },

  /**
   * Whether Core can be asked for an outline that is not written. The stock route would write it, so nothing is asked for
   * before that is known: only our addition refuses an id that no annotation has with a problem of its own.
   */
  async canPreview() {
    if (hasAddition === undefined) {
      try {
        await Cytomine.instance.api.post('annotations/0/refine');
        hasAddition = false;
      } catch (error) {
        if (!error.response || [401, 429].includes(error.response.status)) {
          throw error; // who does not come through learns nothing
        }
        hasAddition = String((error.response.data || {}).type).startsWith(URN);
      }
    }
    return hasAddition;
  },

  /** Read an annotation as Core has it now. */
  async read(id) {
    return (await Cytomine.instance.api.get(`annotation/${id}.json`)).data;
  },

  /** Make an annotation of the answer, with what the answer does not tell. */
  async restored(json, before) {
    const annotation = new Annotation(json);
    annotation.imageGroup = before.imageGroup;
    await Promise.all([updateTermProperties, updateTrackProperties, updateAnnotationLinkProperties]
      .map(update => update(annotation)));
    return annotation;
  },

  /** Make an annotation of one that was just made like another: nothing hangs on it yet but that one's terms. */
  added(json, like, user) {
    const annotation = new Annotation(json);
    const term = like.term || [];
    const userByTerm = term.map(each => ({ term: each, user: [user] }));
    return Object.assign(annotation, { term, userByTerm, track: [], annotationTrack: [], annotationLink: [], imageGroup: like.imageGroup });
  },

  emit(component, event, payload) {
    eventBus.emit(event, payload);
  },

  /** Hear an event until the function that is returned is called. */
  listen(component, event, heard) {
    const listener = payload => heard(payload); // the bus knows a listener once only
    eventBus.on(event, listener);
    return () => eventBus.off(event, listener);
  }
};
