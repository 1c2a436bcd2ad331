/** Short messages: good news is a status, bad news an alert that stays until it is closed. */

import type { Problem } from './api';
import { byId, el, icon, icons } from './dom';
import type { Kind } from './words';
import type { Workbench } from './workbench';

const STAYS_MS = 6000;

export function notifications(bench: Workbench): void {
  bench.on('told', (kind, title, detail) => tell(kind, title, detail));
  bench.on('failed', complain);
}

export function tell(kind: Kind, title: string, detail?: string): void {
  const region = byId('statuses');
  const card = message(kind, title, detail);
  region.replaceChildren(card);
  if (kind === 'success') quiet();
  setTimeout(() => card.remove(), kind === 'warning' ? 2 * STAYS_MS : STAYS_MS);
}

export function complain(problem: Problem, again?: () => void, word = 'Try again'): void {
  const card = message('problem', problem.title, problem.detail);
  if (again) card.querySelector('.text')!.append(retryButton(problem.retryAfterS ?? 0, card, again, word));
  byId('statuses').replaceChildren();
  byId('alerts').replaceChildren(card);
}

export const quiet = (): void => byId('alerts').replaceChildren();

/** A button that waits as long as the service asked for. */
function retryButton(seconds: number, card: HTMLElement, again: () => void, word: string): HTMLButtonElement {
  const button = el('button', { type: 'button', class: 'small' });
  let left = Math.ceil(seconds);
  const show = (): void => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `${word} in ${left} s` : word;
    if (left-- > 0) setTimeout(show, 1000);
  };
  button.addEventListener('click', () => {
    card.remove();
    again();
  });
  show();
  return button;
}

function message(kind: Kind | 'problem', title: string, detail?: string): HTMLElement {
  const card: HTMLElement = el(
    'div',
    { class: `message ${kind}` },
    el('div', { class: 'text' }, el('strong', {}, title), detail ? el('p', {}, detail) : null),
    el('button', { type: 'button', class: 'bare', 'aria-label': 'Dismiss', onclick: () => card.remove() }, icon(icons.close)),
  );
  return card;
}
