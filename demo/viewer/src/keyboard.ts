/** One key, one deed. Keys do nothing while a person types, or while a dialog is open. */

export type Deed =
  | 'refine'
  | 'undo'
  | 'redo'
  | 'delete'
  | 'escape'
  | 'help'
  | 'compare'
  | 'hide'
  | 'select'
  | 'rectangle'
  | 'polygon'
  | 'freehand'
  | 'circle'
  | 'point'
  | 'line'
  | 'modify'
  | 'correct'
  | 'accept'
  | 'next'
  | 'previous'
  | 'similar'
  | 'everything'
  | 'keep'
  | 'swap'
  | 'less'
  | 'more';

/** As the help shows them. */
export const KEYS: [keys: string, deed: Deed, text: string][] = [
  ['R', 'refine', 'Refine the selected shape with SAM'],
  ['C', 'compare', 'Hold to see the shape before the refine'],
  ['H', 'hide', 'Hide all annotations, or show them again'],
  ['Z', 'undo', 'Undo; with an open preview its last click'],
  ['Shift Z', 'redo', 'Redo'],
  ['Delete', 'delete', 'Delete the selected annotation, discard the preview, drop the proposal, reject what is under review'],
  ['Esc', 'escape', 'Stop drawing, discard the preview, cancel a refine, put the tool away, deselect'],
  ['E', 'correct', 'Correct the selected outline by clicks'],
  ['Enter', 'accept', 'Accept the preview, or what is under review'],
  ['N', 'next', 'Next proposal, in a review the next annotation; Tab on the slide too'],
  ['Shift N', 'previous', 'The proposal, or the annotation, before'],
  ['S', 'similar', 'Find others like the selected annotation'],
  ['D', 'everything', 'Propose everything: in the selected shape, or in this view'],
  ['X', 'swap', 'Plain clicks mark the object, or the background'],
  ['K', 'keep', 'Keep the shape as you drew it'],
  ['[', 'less', 'Fewer vertices'],
  [']', 'more', 'More vertices'],
  ['V', 'select', 'Select'],
  ['B', 'rectangle', 'Rectangle'],
  ['G', 'polygon', 'Polygon'],
  ['F', 'freehand', 'Freehand polygon'],
  ['O', 'circle', 'Circle'],
  ['P', 'point', 'Point'],
  ['L', 'line', 'Line'],
  ['M', 'modify', 'Modify vertices'],
  ['?', 'help', 'This help'],
];

const BY_KEY = new Map<string, Deed>(
  KEYS.map(([keys, deed]) => [keys.toLowerCase().replace('esc', 'escape').replace(' ', '+'), deed]),
);

export interface Press {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** Tell what a key asks for; Ctrl Z and Ctrl Y work too, because hands know them. */
export function deedOf(press: Press): Deed | null {
  const key = press.key.toLowerCase();
  if (press.altKey) return null;
  if (press.ctrlKey || press.metaKey) {
    if (key === 'y') return 'redo';
    return key === 'z' ? (press.shiftKey ? 'redo' : 'undo') : null;
  }
  if (key === 'backspace') return 'delete';
  if (key === 'tab') return 'next';
  const shifted = press.shiftKey && /^[a-z]$/.test(key) ? `shift+${key}` : key;
  return BY_KEY.get(shifted) ?? null;
}

type Wanted = (deed: Deed, event: KeyboardEvent) => boolean;

export function keyboard(start: (deed: Deed) => void, end: (deed: Deed) => void, isWanted: Wanted): void {
  document.addEventListener('keydown', (event) => {
    const deed = isTyping(event) ? null : deedOf(event);
    if (!deed || !isWanted(deed, event)) return;
    event.preventDefault();
    if (!event.repeat) start(deed);
  });
  document.addEventListener('keyup', (event) => {
    const deed = deedOf(event);
    if (deed) end(deed);
  });
}

function isTyping(event: KeyboardEvent): boolean {
  const at = event.target as Element;
  return at.closest('input:not([type=checkbox], [type=range]), textarea, select') !== null || document.querySelector('dialog[open]') !== null;
}
