/** Light or dark: as the system says, or as the person chose. */

import { byId } from './dom';

const themes = ['auto', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

export function theme(): void {
  const button = byId('theme-button');
  let current = (localStorage.getItem('theme') as Theme | null) ?? 'auto';

  function apply(): void {
    document.documentElement.dataset.theme = current;
    button.setAttribute('aria-label', `Theme: ${current}`);
    button.title = `Theme: ${current}`;
  }

  button.addEventListener('click', () => {
    current = themes[(themes.indexOf(current) + 1) % themes.length]!;
    localStorage.setItem('theme', current);
    apply();
  });
  apply();
}
