/** What "Refine with SAM" needs of web UI 3.1 (Community Edition 2025.1), with Core's addition behind it. */

import {Annotation, AnnotationType, Cytomine} from 'cytomine-client';

import {
  Action,
  updateAnnotationLinkProperties,
  updateTermProperties,
  updateTrackProperties
} from '@/utils/annotation-utils';

import {outcomeOf} from './refinement';

export const host = {
  generation: '2025.1',
  userType: AnnotationType.USER,
  updateAction: Action.UPDATE,
  offersKeepPoints: true,

  /** The client, read late: the host's tests of the panel put only a part of the API in its place. */
  get Cytomine() {
    return Cytomine;
  },

  /** Ask Core's addition. */
  async refine(annotation, options, signal) {
    const {data} = await Cytomine.instance.api.post(`annotation/${annotation.id}/sam`, options, {signal});
    return {annotation: data.annotation, ...outcomeOf(data.refinement, data.command)};
  },

  /** Whether Core can be asked for an outline that is not written: the route is the addition's own. */
  async canPreview() {
    return true;
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
    const userByTerm = term.map(each => ({term: each, user: [user]}));
    return Object.assign(annotation, {term, userByTerm, track: [], annotationTrack: [], annotationLink: [], imageGroup: like.imageGroup});
  },

  emit(component, event, payload) {
    component.$eventBus.$emit(event, payload);
  },

  /** Hear an event until the function that is returned is called. */
  listen(component, event, heard) {
    component.$eventBus.$on(event, heard);
    return () => component.$eventBus.$off(event, heard);
  }
};
