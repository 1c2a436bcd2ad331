/** Stands for the host's module of this name: what hangs on an annotation. */

export const Action = Object.freeze({ UPDATE: 'update' });

export async function updateTermProperties(annot) {
  annot.term = [];
}

export async function updateTrackProperties(annot) {
  annot.annotationTrack = [];
}

export async function updateAnnotationLinkProperties(annot) {
  annot.annotationLink = [];
}
