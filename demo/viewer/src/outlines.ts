/** What travels when an object is outlined by clicks: prompts to the service, and what it says of them. */

import GeoJSON, { type GeoJSONGeometry } from 'ol/format/GeoJSON';
import { fromExtent } from 'ol/geom/Polygon';

import { readLocation, writeLocation } from './geometry';
import type { Box, Choice, Outline, Prompts, Proposal, Session } from './session';
import type { PredictedFeature, Refinement, RefineOptions, WireProposal } from './types';

const format = new GeoJSON();

const locationOf = (geometry: object): string => writeLocation(format.readGeometry(geometry as GeoJSONGeometry)!);

/** What belongs to the outline, whatever it is for; what is left to the service is left out. */
const options = ({ proposal, detail }: Prompts): { proposal?: Choice; detail?: number } => ({
  ...(proposal !== null && { proposal }),
  ...(detail !== null && { detail }),
});

/** The first box of an object. */
export const boxOf = ({ box, shape }: Session): Box => box ?? (readLocation(shape).getExtent() as Box);

/** Ask for the outline of a shape that is not stored. */
export function prediction(session: Session): object {
  const points = session.clicks.map(({ x, y, label }) => ({
    type: 'Feature',
    geometry: { type: 'Point', coordinates: [x, y] },
    properties: { label },
  }));
  const geometry = { type: 'Feature', geometry: format.writeGeometryObject(fromExtent(boxOf(session))) };
  return { image_id: session.image, geometry, points, ...options(session) };
}

/** Ask for the outline of an annotation, without writing; `usesPoints` where point annotations lie in it. */
export function dryRun(session: Session, usesPoints: boolean): RefineOptions {
  return { dryRun: true, box: boxOf(session), clicks: session.clicks, points: usesPoints ? 'auto' : 'ignore', ...options(session) };
}

export function predicted({ geometry, properties }: PredictedFeature): Outline {
  return { ...judged(properties), location: locationOf(geometry), ticket: null };
}

/** Null where nothing was found: there is nothing to accept then. */
export function refined(refinement: Refinement): Outline | null {
  const ticket = refinement.preview ?? null;
  return ticket === null ? null : { ...judged(refinement), location: refinement.location, ticket };
}

function judged(told: PredictedFeature['properties']): Omit<Outline, 'location' | 'ticket'> {
  return {
    confidence: told.confidence ?? told.score,
    isCalibrated: told.calibrated ?? false,
    doubts: told.doubts ?? [],
    isDoubtful: told.doubtful ?? false,
    proposals: (told.proposals ?? []).map(read),
    proposal: told.proposal ?? null,
    box: told.box ?? null,
    timings: told.timings_ms,
  };
}

const read = ({ index, score, geometry }: WireProposal): Proposal => ({
  index,
  score,
  location: geometry && locationOf(geometry),
});
