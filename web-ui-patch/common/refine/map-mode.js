/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/**
 * A mode of the host's map, such as correcting with clicks or looking at proposals: one at a time on each map. It lasts as
 * long as the map shows the same image with the same tool, not as long as the panel that began it.
 */

import {host} from './refine-host';

const byMap = new WeakMap(); // what closes the mode that a map is in

/** The nearest container with a map, null outside of a viewer. */
export function mapOwner(component) {
  let owner = component.$parent;
  while (owner && !(owner.$refs.map && owner.$refs.map.$map)) {
    owner = owner.$parent;
  }
  return owner || null;
}

/** The map of a container, as far as it is still there. */
export function mapOf(owner) {
  return owner.$refs.map && owner.$refs.map.$map;
}

/**
 * Put a map into a mode; the one that it was in ends.
 *
 * @param {Object} owner see `mapOwner`
 * @param {number} annotation the mode ends when this one is deleted
 * @param {function(): void} close ends the mode
 * @returns {function(): void} to be called at its end
 */
export function enterMode(owner, annotation, close) {
  const map = mapOf(owner);
  if (byMap.has(map)) {
    byMap.get(map)();
  }
  takeNoOtherTool(owner);
  byMap.set(map, close);
  owner.$on('hook:beforeDestroy', close);
  const ends = [
    () => byMap.delete(map),
    () => owner.$off('hook:beforeDestroy', close),
    host.listen(owner, 'deleteAnnotation', ({id}) => id === annotation && close()),
    owner.$watch(whereabouts, close)
  ];
  return () => ends.forEach(end => end());
}

/** The host's tools for drawing and editing would take the clicks too. */
function takeNoOtherTool({activeTool, activeEditTool, imageModule, $store}) {
  if (activeTool !== 'select') {
    $store.dispatch(imageModule + 'activateTool', 'select');
  }
  if (activeEditTool) {
    $store.commit(imageModule + 'activateEditTool', null);
  }
}

/** What the map shows, and with which tool; changes of it end a mode. */
function whereabouts() {
  const {image, sliceIds, activeTool, activeEditTool} = this;
  return JSON.stringify([image && image.id, sliceIds, activeTool, activeEditTool]);
}
