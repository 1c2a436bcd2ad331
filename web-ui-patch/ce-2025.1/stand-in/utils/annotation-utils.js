/** Stands for the host's module of this name: what hangs on an annotation, asked for by three requests. */

import {Cytomine} from 'cytomine-client';

export const Action = Object.freeze({UPDATE: 'update'});

async function collection(path) {
  return (await Cytomine.instance.api.get(path)).data.collection;
}

export async function updateTermProperties(annot) {
  annot.term = (await collection(`annotation/${annot.id}/term.json`)).map(({term}) => term);
}

export async function updateTrackProperties(annot) {
  annot.annotationTrack = await collection(`annotation/${annot.id}/annotationtrack.json`);
}

export async function updateAnnotationLinkProperties(annot) {
  annot.annotationLink = await collection(`annotationlink/${annot.id}.json`);
}
