/** Small helpers for making elements. */

type Child = Node | string | null | undefined | false;
type Props = Record<string, string | boolean | EventListener | undefined>;

/** Make an element: properties that start with "on" are listeners, `true` sets an empty attribute. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child): child is Node | string => Boolean(child)));
  return made;
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}`);
  return found as T;
}

/** Scroll the panel's upper part, or on a phone the whole of it, to its top. */
export function panelToTop(): void {
  for (const each of document.querySelectorAll('#upper, aside')) each.scrollTop = 0;
}

/** Draw an icon: 24 units wide, lines only, in the colour of the text. */
export function icon(paths: string): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon');
  svg.innerHTML = paths;
  return svg;
}

export const icons = {
  select: '<path d="M5 3l6.5 16 2.2-6.3L20 10.5z"/>',
  rectangle: '<rect x="4" y="6" width="16" height="12" rx="1"/>',
  polygon: '<path d="M12 3l8.5 6.5-3.2 10H6.7L3.5 9.5z"/>',
  freehand: '<path d="M4.5 14.5C2.5 9 7 4 12.5 5.500S21 8 19.5 12.5 15 16 14 19s-7.5 1.5-9.5-4.500z"/>',
  circle: '<circle cx="12" cy="12" r="8.5"/>',
  point: '<path d="M12 21c4.5-5 6.5-8 6.5-11.200a6.5 6.5 0 1 0-13 0C5.5 13 7.5 16 12 21z"/><circle cx="12" cy="9.8" r="2.3"/>',
  line: '<path d="M5.5 18.500L18.5 5.5"/><circle cx="4.5" cy="19.5" r="1.5"/><circle cx="19.5" cy="4.5" r="1.5"/>',
  modify: '<path d="M5 7v10M7 5h10M19 7v10M7 19h10"/><rect x="3" y="3" width="4" height="4"/><rect x="17" y="3" width="4" height="4"/><rect x="3" y="17" width="4" height="4"/><rect x="17" y="17" width="4" height="4"/>',
  remove: '<path d="M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5.500M14 11v5.5"/>',
  undo: '<path d="M8 4L4 8l4 4"/><path d="M4 8h10a6 6 0 0 1 0 12H8"/>',
  redo: '<path d="M16 4l4 4-4 4"/><path d="M20 8H10a6 6 0 0 0 0 12h6"/>',
  wand: '<path d="M4 20L14.5 9.500M17 3v4M15 5h4M20 11v3M18.5 12.500h3M10 3v3M8.5 4.500h3"/>',
  slides: '<rect x="3" y="5" width="18" height="14" rx="1.5"/><path d="M7 5v14M10 9h8M10 12h8M10 15h5"/>',
  theme: '<circle cx="12" cy="12" r="8.5"/><path d="M12 3.500v17a8.5 8.5 0 0 0 0-17z" fill="currentColor"/>',
  help: '<circle cx="12" cy="12" r="8.5"/><path d="M9.7 9.500a2.4 2.4 0 1 1 3.5 2.200c-.8.4-1.2.9-1.2 1.800M12 16.600v.1"/>',
  download: '<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.500M4 20h16"/>',
  target: '<circle cx="12" cy="12" r="6.5"/><path d="M12 2.500v5M12 16.500v5M2.5 12h5M16.5 12h5"/>',
  compare: '<path d="M12 3v18M4 7h5v10H4zM15 7h5v10h-5z"/>',
  accept: '<path d="M4.5 12.500l5 5L19.5 7"/>',
  keep: '<path d="M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4"/><circle cx="12" cy="12" r="2.500"/>',
  similar: '<circle cx="7" cy="7" r="3.200"/><circle cx="17.500" cy="6.500" r="2.700" stroke-dasharray="2 1.500"/><circle cx="6.500" cy="17.500" r="2.700" stroke-dasharray="2 1.500"/><path d="M14 14l6.500 6.500M17.200 14a3.200 3.200 0 1 0 0 .1"/>',
  region: '<rect x="3.500" y="3.500" width="17" height="17" rx="1" stroke-dasharray="3 2"/><circle cx="9" cy="9" r="1.700"/><circle cx="15.500" cy="11" r="1.700"/><circle cx="10" cy="15.500" r="1.700"/>',
  review: '<path d="M4 6h9M4 12h6M4 18h6"/><path d="M13 15.500l3 3L21 12"/>',
  previous: '<path d="M14.500 5.500L8 12l6.500 6.500"/>',
  following: '<path d="M9.500 5.500L16 12l-6.500 6.500"/>',
  hide: '<path d="M3 12c2.500-4.500 5.500-6.500 9-6.500s6.500 2 9 6.500c-2.500 4.500-5.500 6.500-9 6.500S5.500 16.500 3 12z"/><circle cx="12" cy="12" r="2.800"/><path d="M4.500 19.500l15-15"/>',
  close: '<path d="M6 6l12 12M18 6L6 18"/>',
  plus: '<path d="M12 5v14M5 12h14"/>',
  minus: '<path d="M5 12h14"/>',
  fit: '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>',
} as const;
