/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * Undo and redo of a refine in the host's viewer. Core keeps one command for the outline and one for each deleted point;
 * for a person they are one deed, so the viewer's stack holds them as one action whose `command` is a list.
 */

import {host} from './refine-host';
import {isBatch, reverseBatch} from './reverse-batch';

/**
 * Undo a refine, or do it again; undo goes backwards. A batch of accepted annotations has its own way. If a step fails, the action stays on the viewer's stack: the next try
 * begins anew, and Core does nothing for what is done already.
 *
 * @param {Object} tools the host's component of drawing tools
 * @param {{annot: Object, type: string, command: number[]}} action
 * @param {boolean} undo
 * @returns {Object} the action for the way back
 */
export async function reverseRefinement(tools, action, undo) {
  if (isBatch(action)) {
    return reverseBatch(tools, action, undo);
  }
  const commands = undo ? [...action.command].reverse() : action.command;
  for (const [done, command] of commands.entries()) {
    try {
      await reverse(tools, action.annot, command, undo);
    } catch (error) {
      if (done > 0) {
        const left = `${commands.length - done}/${commands.length}`;
        tools.$notify({type: 'warn', text: `${tools.$t('notif-refine-sam-steps-left')} ${left}`});
      }
      throw error; // the host tells that it failed
    }
  }
  return action;
}

async function reverse(tools, annot, command, undo) {
  const {instance} = host.Cytomine;
  const collection = await (undo ? instance.undo(command) : instance.redo(command));
  for (const {annotation, callback} of collection) {
    const method = annotation && callback ? callback.method : '';
    if (method.includes('Delete')) {
      const {image, slice, project} = annot;
      host.emit(tools, 'deleteAnnotation', {...annotation, type: host.userType, image, slice, project});
    } else if (annotation) {
      const restored = await host.restored(await host.read(annotation.id), annot);
      host.emit(tools, method.includes('Add') ? 'addAnnotation' : 'editAnnotation', restored);
    }
  }
}
