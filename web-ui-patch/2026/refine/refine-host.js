/** What "Refine with SAM" needs of web UI 3.4 (2026): Core's stock route, with or without our addition behind it. */

import { Annotation, AnnotationType, Cytomine } from '@/api';
import {
  Action,
  updateAnnotationLinkProperties,
  updateTermProperties,
  updateTrackProperties
} from '@/utils/annotation-utils';
import eventBus from '@/utils/event-bus';

export const host = {
  generation: '2026',
  Cytomine,
  userType: AnnotationType.USER,
  updateAction: Action.UPDATE,
  offersKeepPoints: false,
  bus: eventBus,

  /** Ask Core's stock route. It answers the annotation; only with our addition there is a command to undo. */
  async refine(id) {
    const { data } = await Cytomine.instance.api.post(`annotations/${id}/refine`);
    return {
      annotation: data,
      command: data.command || null,
      changed: true,
      score: null,
      pointsDeleted: [],
      pointsNotDeleted: []
    };
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
