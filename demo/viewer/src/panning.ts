/** The arrow keys on the map. */

import KeyboardPan from 'ol/interaction/KeyboardPan';

/** Pan by the arrow keys; finely with Shift, for whoever draws with them. At once: a glide would swallow the next key. */
export const panning = (pixelDelta: number, shift: boolean): KeyboardPan =>
  new KeyboardPan({
    pixelDelta,
    duration: 0,
    condition: ({ originalEvent: key }) => 'shiftKey' in key && key.shiftKey === shift,
  });
