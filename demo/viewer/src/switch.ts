/** Whether a shape is outlined as soon as it is drawn: on, until a person switches it off; remembered. */

import { byId } from './dom';

const KEY = 'outline-on-draw';

export const outlinesOnDraw = (): boolean => localStorage.getItem(KEY) !== 'off';

export function drawSwitch(): void {
  const box = byId<HTMLInputElement>('outline-on-draw');
  const show = (): void => {
    box.checked = outlinesOnDraw();
    document.body.dataset.draw = box.checked ? 'outlines' : 'stores';
  };
  box.addEventListener('change', () => {
    localStorage.setItem(KEY, box.checked ? 'on' : 'off');
    show();
  });
  show();
}
