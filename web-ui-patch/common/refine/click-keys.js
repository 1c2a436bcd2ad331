/* eslint object-curly-spacing: off -- the two hosts want it differently */

/** The keys of the click mode: none of them is one of the host's shortcuts. They are there only while it lasts. */

const WRITES = 'input, textarea, select, [contenteditable], .ql-editor';
const HAS_KEYS_OF_ITS_OWN = 'a[href], button, [role=button]';
const IN_FRONT = '.modal.is-active, .dialog.is-active';

/**
 * Listen until the function that is returned is called.
 *
 * @param {Object<string, function(): void>} verbs what to do by key: Enter, Escape, Tab, n, x, z
 * @returns {function(): void} stops it
 */
export function listenToKeys(verbs) {
  const pressed = event => {
    const verb = verbs[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!verb || !isForUs(event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    verb();
  };
  document.addEventListener('keydown', pressed, true);
  return () => document.removeEventListener('keydown', pressed, true);
}

/** Not with a modifier, not while somebody writes or a dialogue is open; and Enter and Tab are a button's, if it has the focus. */
function isForUs({key, target, ctrlKey, altKey, metaKey, shiftKey, repeat}) {
  const at = selector => target instanceof Element && target.closest(selector);
  if (ctrlKey || altKey || metaKey || shiftKey || repeat || at(WRITES) || document.querySelector(IN_FRONT)) {
    return false;
  }
  return !(['Enter', 'Tab'].includes(key) && at(HAS_KEYS_OF_ITS_OWN));
}
