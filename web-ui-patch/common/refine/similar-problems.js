/* eslint object-curly-spacing: off -- the two hosts want it differently */

/** What to tell where a search for others, or the storing of what it found, did not work. */

const OWN = [403, 404, 413, 422];
const SHARED = [401, 429, 502, 503, 504];
const NOT_PUBLIC = 'urn:cytomine-refine:not-public';

/**
 * @param {Error} error of a request, or with the `problem` that was told in the middle of an answer
 * @param {{isStoring: ?boolean}} options whether annotations were being made
 * @returns {{key: string, detail: string}} translation key; the problem's own words, maybe empty
 */
export function similarProblemOf({response, problem}, {isStoring = false} = {}) {
  if (!response && !problem) {
    return {key: 'notif-refine-sam-no-answer', detail: ''};
  }
  const {status, data} = response || {status: problem.status, data: problem};
  const told = data || {};
  const detail = told.detail || (told.errors && told.errors.message) || told.errors || ''; // Core has two forms of errors
  return {key: keyOf(status, told.type, isStoring), detail: typeof detail === 'string' ? detail : ''};
}

function keyOf(status, type, isStoring) {
  if (type === NOT_PUBLIC) {
    return 'notif-refine-sam-not-public';
  }
  if (status === 401) {
    return 'notif-refine-sam-401';
  }
  if (isStoring) {
    return 'notif-refine-sam-similar-not-stored';
  }
  if (OWN.includes(status)) {
    return `notif-refine-sam-similar-${status}`;
  }
  return SHARED.includes(status) ? `notif-refine-sam-${status}` : 'notif-refine-sam-similar-error';
}
