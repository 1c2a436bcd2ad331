/** What "Refine with SAM" needs of web UI 3.4 (2026): Core's stock route, with or without our addition behind it. */

import { Annotation, AnnotationType, Cytomine } from '@/api';
import {
  Action,
  updateAnnotationLinkProperties,
  updateTermProperties,
  updateTrackProperties
} from '@/utils/annotation-utils';
import eventBus from '@/utils/event-bus';

import { outcomeOf } from './refinement';

/** Whether two WKT are the same shape, however they are spaced; lists outside of a viewer do not know theirs. */
function isSameShape(before, after) {
  const numbers = wkt => wkt.match(/-?[\d.]+(e[-+]?\d+)?/gi).map(Number).join();
  return Boolean(before) && numbers(before) === numbers(after);
}

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
   * Ask Core's stock route. It answers the annotation, the same one if nothing was found. With our addition the service's
   * own answer comes along, and there is something to undo.
   */
  async refine(annotation) {
    const { data } = await Cytomine.instance.api.post(`annotations/${annotation.id}/refine`);
    const { refinement, command, ...json } = data;
    if (refinement) {
      return { annotation: json, ...outcomeOf(refinement, command) };
    }
    const changed = !isSameShape(annotation.location, json.location);
    return { annotation: json, commands: [], changed, doubts: [], pointsDeleted: [], pointsNotDeleted: [] };
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

  emit(component, event, payload) {
    eventBus.emit(event, payload);
  }
};
