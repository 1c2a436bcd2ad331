/** The slide's annotations as a file that other programs read, QuPath among them: level-0 pixels, y down. */

import GeoJSON from 'ol/format/GeoJSON';

import { flipped, readLocation } from './geometry';
import type { Annotation, ImageInstance, Refinement, Term } from './types';

const format = new GeoJSON();

/** Said in every file, because others count y upwards. */
export const FRAME = { unit: 'level-0 pixel', origin: 'top left', y: 'down' } as const;

export interface People {
  users: Map<number, string>;
  terms: Map<number, Term>;
  refinements: Map<number, Refinement>;
}

export function featureCollection(image: ImageInstance, annotations: Iterable<Annotation>, people: People): object {
  const features = [...annotations].map((annotation) => {
    const term = people.terms.get(annotation.term[0] ?? -1);
    const score = people.refinements.get(annotation.id)?.score;
    return {
      type: 'Feature',
      id: annotation.id,
      geometry: format.writeGeometryObject(flipped(readLocation(annotation.location), image.height), { decimals: 3 }),
      properties: {
        objectType: 'annotation',
        created_by: people.users.get(annotation.user) ?? null,
        created_on: new Date(Number(annotation.created)).toISOString(),
        ...(term && { classification: { name: term.name } }),
        ...(score !== undefined && { sam_score: score }),
      },
    };
  });
  const { id, instanceFilename: name, width, height } = image;
  return { type: 'FeatureCollection', frame: FRAME, image: { id, name, width, height }, features };
}

/** Let the browser save a text as a file. */
export function save(text: string, name: string, type = 'application/geo+json'): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
