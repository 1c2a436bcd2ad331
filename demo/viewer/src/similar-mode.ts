/** What keys and buttons begin and do in a search for others like some, or for everything. */

import type { Mode } from './deeds';
import { byId, icon, icons } from './dom';
import type { Deed } from './keyboard';
import type { Similar } from './similar';
import type { Tools } from './tools';
import type { Workbench } from './workbench';

export class SimilarMode implements Mode {
  constructor(
    private readonly bench: Workbench,
    private readonly similar: Similar,
    private readonly tools: Tools,
  ) {
    const drawings = { 'find-similar': icons.similar, 'propose-within': icons.region, 'propose-here': icons.region };
    for (const [id, drawing] of Object.entries(drawings)) byId(id).prepend(icon(drawing));
    byId('find-similar').addEventListener('click', () => this.start('similar'));
    byId('propose-within').addEventListener('click', () => this.start('everything'));
    byId('propose-here').addEventListener('click', () => this.start('everything'));
    bench.on('change', () => this.offer());
  }

  wants(deed: Deed): boolean {
    const { isOpen, focus, isAsking, picking, set } = this.similar;
    switch (deed) {
      case 'similar':
      case 'everything':
        return this.bench.image !== null;
      case 'next':
      case 'previous':
        return isOpen && set.all.length > 0;
      case 'delete':
        return isOpen && focus !== null;
      case 'escape':
        return isOpen && !this.tools.isDrawing && (isAsking || picking !== null || focus !== null);
      default:
        return false;
    }
  }

  start(deed: Deed): void {
    const { bench, similar } = this;
    const chosen = bench.selected && bench.selected.id > 0 && bench.canRefine(bench.selected) ? bench.selected : null;
    switch (deed) {
      case 'similar':
        if (chosen) similar.findLike(chosen);
        else bench.emit('told', 'info', 'Select an example first', 'Click an annotation of such an object.');
        return;
      case 'everything':
        return similar.everything(chosen);
      case 'next':
      case 'previous':
        return similar.step(deed === 'next' ? 1 : -1);
      case 'delete':
        return similar.toggle(similar.focus!);
      case 'escape':
        return this.escape();
      default:
        return;
    }
  }

  /** Let a person draw where to look. */
  async drawRegion(): Promise<void> {
    const { similar, tools } = this;
    const drawn = await tools.ask('rectangle');
    tools.use('select');
    if (!drawn || !similar.isOpen) return this.bench.emit('proposals'); // the choice goes back to what it was
    similar.lookIn('drawn', drawn);
    await similar.search();
  }

  private escape(): void {
    const { similar } = this;
    if (similar.picking !== null) similar.pickBy(null);
    else if (similar.isAsking) similar.cancel();
    else if (similar.focus) similar.unfocus();
  }

  private offer(): void {
    const { bench } = this;
    const can = bench.selected !== null && bench.selected.id > 0 && bench.canRefine(bench.selected);
    byId('find-similar').hidden = byId('propose-within').hidden = !can;
  }
}
