/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * Undo and redo, in the host's viewer, of annotations that were accepted together. For a person they are one deed, so the
 * viewer's stack holds them as one action, whose `command` is a list of {id, location, term}.
 */

import {remove} from './core-requests';
import {host} from './refine-host';
import {isSameShape} from './refinement';

const removals = new WeakMap(); // the handle that brings one back, while it is taken back

/** Whether an action of the viewer's stack is a batch. */
export function isBatch({command}) {
  return Array.isArray(command) && command.some(made => typeof made === 'object');
}

/**
 * Take a batch back, or bring it again. What somebody has changed since stays as it is, and the user is told. If a step fails,
 * the action stays on the viewer's stack, and the next try does the rest.
 *
 * @param {Object} tools the host's component of drawing tools
 * @param {{annot: Object, type: string, command: Object[]}} action
 * @param {boolean} undo
 * @returns {Object} the action for the way back
 */
export async function reverseBatch(tools, action, undo) {
  const kept = [];
  for (const made of action.command) {
    if (undo && !await isTakenBack(tools, made, action.annot)) {
      kept.push(made);
    } else if (!undo) {
      await bringBack(tools, made, action.annot);
    }
  }
  if (kept.length > 0) {
    tools.$notify({type: 'warn', text: `${tools.$t('notif-refine-sam-similar-kept')} ${kept.length}`});
  }
  return {...action, command: action.command.filter(made => !kept.includes(made))};
}

async function isTakenBack(tools, made, {image, slice, project}) {
  if (removals.has(made)) {
    return true; // in an earlier try
  }
  const now = await stateOf(made);
  if (!now) {
    return true; // somebody else was faster
  }
  if (!isUnchanged(made, now)) {
    return false;
  }
  removals.set(made, await remove(made.id));
  host.emit(tools, 'deleteAnnotation', {...now, type: host.userType, image, slice, project});
  return true;
}

/** Reads an annotation; null where it is gone. */
async function stateOf({id}) {
  try {
    return await host.read(id);
  } catch (error) {
    if (error.response && error.response.status === 404) {
      return null;
    }
    throw error;
  }
}

function isUnchanged(made, now) {
  const sorted = terms => [...terms || []].sort().join();
  return isSameShape(made.location, now.location) && sorted(made.term) === sorted(now.term);
}

async function bringBack(tools, made, like) {
  if (!removals.has(made)) {
    return;
  }
  await host.Cytomine.instance.undo(removals.get(made));
  removals.delete(made);
  host.emit(tools, 'addAnnotation', await host.restored(await host.read(made.id), like));
}
