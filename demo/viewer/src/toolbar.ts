/** The tools beside the slide, with delete, undo and redo. */

import { byId, el, icon, icons } from './dom';
import { type Deed, KEYS } from './keyboard';
import { type Tool, toolNames, type Tools } from './tools';
import type { Workbench } from './workbench';

export function toolbar(bench: Workbench, tools: Tools, start: (deed: Deed) => void): void {
  const bar = byId('tools');
  const buttons = new Map<Tool, HTMLButtonElement>();
  const keyOf = (deed: Deed): string => KEYS.find(([, each]) => each === deed)![0];
  const button = (name: string, deed: Deed, drawing: string): HTMLButtonElement =>
    el(
      'button',
      { type: 'button', class: 'tool', 'aria-label': name, title: `${name} (${keyOf(deed)})`, onclick: () => start(deed) },
      icon(drawing),
    );
  for (const [tool, name] of Object.entries(toolNames) as [Tool, string][]) {
    const made = button(name, tool, icons[tool]);
    buttons.set(tool, made);
    bar.append(made);
    if (tool === 'select' || tool === 'line') bar.append(el('hr'));
  }
  const remove = button('Delete', 'delete', icons.remove);
  const undo = button('Undo', 'undo', icons.undo);
  const redo = button('Redo', 'redo', icons.redo);
  bar.append(remove, el('hr'), undo, redo);

  tools.onChange(() => {
    buttons.forEach((each, tool) => each.setAttribute('aria-pressed', String(tool === tools.tool)));
    document.body.dataset.tool = tools.tool;
  });

  function show(): void {
    const { history } = bench.undos;
    const { current, steps } = bench.previews;
    const last = current ? steps.undo : history.next('undo')?.label;
    const undone = steps.redo ?? history.next('redo')?.label;
    remove.disabled = !bench.selected && !current;
    undo.disabled = !last;
    redo.disabled = !undone;
    undo.title = `Undo (Z): ${last ?? 'nothing'}`;
    redo.title = `Redo (Shift Z): ${undone ?? 'nothing'}`;
  }
  bench.on('change', show);
  bench.on('preview', show);
  tools.use('select');
}
