/* eslint object-curly-spacing: off -- the two hosts want it differently */

/** The service's answer, as Core's addition passes it on, in the words of the component. */

/**
 * @param {Object} refinement the service's answer
 * @param {?number} command handle of the undo, from services that tell no list
 */
export function outcomeOf(refinement, command) {
  const {geojson, model} = refinement;
  return {
    commands: refinement.commands || [command].filter(Boolean),
    changed: refinement.changed,
    doubts: refinement.doubts || [],
    pointsDeleted: refinement.points_deleted || [],
    pointsNotDeleted: refinement.points_not_deleted || [],
    preview: refinement.preview || null, // of what was not written
    geometry: geojson ? geojson.geometry : null,
    proposals: refinement.proposals || [],
    proposal: refinement.proposal,
    box: refinement.box || null,
    score: refinement.score,
    confidence: refinement.confidence,
    calibrated: refinement.calibrated,
    model: model ? model.name : ''
  };
}

const numbersIn = wkt => ((wkt || '').match(/-?[\d.]+(e[-+]?\d+)?/gi) || []).map(Number);

/** Whether two WKT are the same shape, however they are spaced; lists outside of a viewer do not know theirs. */
export function isSameShape(before, after) {
  return Boolean(before && after) && numbersIn(before).join() === numbersIn(after).join();
}

/** The box around a shape in WKT, [x_min, y_min, x_max, y_max]; null where the shape is not known. */
export function boxOf(wkt) {
  const numbers = numbersIn(wkt);
  if (numbers.length < 2) {
    return null;
  }
  const [xs, ys] = [0, 1].map(axis => numbers.filter((_, at) => at % 2 === axis));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
