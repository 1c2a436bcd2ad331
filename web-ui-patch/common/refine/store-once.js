/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/** Makes annotations, none of them twice: where an answer was lost, Core is looked at before anything is sent again. */

import {annotationsIn, create} from './core-requests';
import {boxOf} from './refinement';

const LOOKS_MS = [0, 500, 2000]; // a request whose answer was lost may still be at work

/** An outline as WKT, as Core reads it. */
export function wktOf({type, coordinates}) {
  const ring = points => `(${points.map(([x, y]) => `${x} ${y}`).join(', ')})`;
  const polygon = rings => `(${rings.map(ring).join(', ')})`;
  return type === 'MultiPolygon'
    ? `MULTIPOLYGON (${coordinates.map(polygon).join(', ')})`
    : `POLYGON ${polygon(coordinates)}`;
}

/** Whether two shapes lie at the same place: Core may leave out vertices of what it stores. */
export function isSamePlace(one, other) {
  const [a, b] = [boxOf(one), boxOf(other)];
  if (!a || !b) {
    return false;
  }
  const most = Math.max(1, 0.01 * Math.max(a[2] - a[0], a[3] - a[1]));
  return a.every((edge, at) => Math.abs(edge - b[at]) <= most);
}

/**
 * Make an annotation, once.
 *
 * @param {Object} wanted location (WKT), image, slice, term (ids)
 * @param {number} user who makes it
 * @returns {Promise<Object>} the annotation, as Core has it
 */
export async function storeOnce(wanted, user) {
  try {
    return await create(wanted);
  } catch (error) {
    const annotation = mayBeStored(error) && await lookFor(wanted, user);
    if (!annotation) {
      throw error;
    }
    return annotation;
  }
}

function mayBeStored({response}) {
  return !response || response.status >= 500;
}

async function lookFor({image, location}, user) {
  for (const ms of LOOKS_MS) {
    await new Promise(resolve => setTimeout(resolve, ms));
    const there = await annotationsIn(image, boxOf(location), user);
    const found = there.find(each => isSamePlace(each.location, location));
    if (found) {
      return found;
    }
  }
  return null;
}
