/* eslint object-curly-spacing: off -- the two hosts want it differently */

/** The service's answer, as Core's addition passes it on, in the words of the component. */

/**
 * @param {Object} refinement the service's answer
 * @param {?number} command handle of the undo, from services that tell no list
 */
export function outcomeOf(refinement, command) {
  return {
    commands: refinement.commands || [command].filter(Boolean),
    changed: refinement.changed,
    doubts: refinement.doubts || [],
    pointsDeleted: refinement.points_deleted,
    pointsNotDeleted: refinement.points_not_deleted
  };
}
