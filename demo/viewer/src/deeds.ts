/** What a key or a button does: for the open preview first, then for the selected annotation. */

import type { Clicks } from './clicks';
import { byId } from './dom';
import type { Deed } from './keyboard';
import { quiet, tell } from './notifications';
import type { Panel } from './panel';
import type { PreviewLayer } from './preview-layer';
import type { PreviewPanel } from './preview-panel';
import type { SlideMap } from './slidemap';
import type { Tools } from './tools';
import type { Workbench } from './workbench';

/** Buttons and the like have a use of their own for Enter. */
const PRESSED_BY_ENTER = 'a, button, summary, [role=option]';

/** A way of working that has uses of its own for some keys. */
export interface Mode {
  /** Whether it would do something with a deed now. */
  wants(deed: Deed): boolean;
  start(deed: Deed): void;
}

export class Deeds {
  constructor(
    private readonly bench: Workbench,
    private readonly slides: SlideMap,
    private readonly tools: Tools,
    private readonly panel: Panel,
    private readonly previewPanel: PreviewPanel,
    private readonly layer: PreviewLayer,
    private readonly clicks: Clicks,
    private readonly modes: readonly Mode[] = [],
  ) {
    byId('map').addEventListener('keydown', (event) => this.crosshair(event));
    byId('correct').addEventListener('click', () => this.start('correct'));
  }

  /** Whether a key is for the page now, and not for the browser. */
  isWanted(deed: Deed, { target, key, shiftKey }: KeyboardEvent): boolean {
    const at = target as Element;
    const hasPreview = this.bench.previews.current !== null || this.modes.some((mode) => mode.wants(deed));
    if (deed === 'accept') return hasPreview && !this.tools.isDrawing && !at.closest(PRESSED_BY_ENTER);
    if (key === 'Tab') return hasPreview && !shiftKey && (at === byId('map') || at === document.body);
    return true;
  }

  start(deed: Deed): void {
    const { tools } = this;
    if (tools.isDrawing && (deed === 'refine' || deed === 'delete' || deed === 'correct')) {
      return tell('info', 'You are still drawing', 'Finish the shape first, or press Esc to drop it.');
    }
    if (this.forPreview(deed)) return;
    const mode = this.modes.find((each) => each.wants(deed));
    if (mode) mode.start(deed);
    else this.forSelected(deed);
  }

  end(deed: Deed): void {
    if (deed !== 'compare') return;
    this.layer.look(false);
    this.panel.compare(false);
  }

  /** Tells whether the deed was meant for an open preview. */
  private forPreview(deed: Deed): boolean {
    const { previews } = this.bench;
    if (deed === 'undo') return previews.undo();
    if (deed === 'redo') return previews.redo();
    if (!previews.current) return false;
    switch (deed) {
      case 'accept':
        previews.accept();
        return true;
      case 'delete':
        return previews.discard();
      case 'refine':
      case 'correct':
        tell('info', 'A preview is open', 'Press Enter to accept it, or Esc to discard it.');
        return true;
      case 'next':
        previews.propose(1);
        return true;
      case 'compare':
        this.layer.look(true);
        return true;
      case 'keep':
        previews.keepShape();
        return true;
      case 'swap':
        this.previewPanel.swap();
        return true;
      case 'less':
      case 'more':
        this.previewPanel.refineDetail(deed === 'less' ? -1 : 1);
        return true;
      default:
        return false;
    }
  }

  private forSelected(deed: Deed): void {
    const { bench, tools } = this;
    switch (deed) {
      case 'refine':
        return void bench.refines.start();
      case 'correct':
        if (tools.tool === 'modify') tools.use('select');
        return bench.previews.correct();
      case 'undo':
      case 'redo':
        return void bench.undos.step(deed);
      case 'delete':
        return void bench.remove();
      case 'compare':
        return void this.panel.compare(true);
      case 'hide':
        return bench.seeing.hide();
      case 'help':
        return byId<HTMLDialogElement>('help-dialog').showModal();
      case 'escape':
        return this.escape();
      case 'accept':
      case 'next':
      case 'previous':
      case 'similar':
      case 'everything':
      case 'keep':
      case 'swap':
      case 'less':
      case 'more':
        return; // without a preview there is nothing to do
      default:
        return tools.use(deed);
    }
  }

  private escape(): void {
    const { bench, tools } = this;
    quiet();
    if (tools.cancel()) return;
    if (bench.previews.current && !tools.givesClicks) return tools.use('select');
    if (bench.previews.discard()) return;
    if (bench.selected && bench.refines.since(bench.selected.id) !== undefined) return bench.refines.giveUp(bench.selected.id);
    if (tools.tool !== 'select') tools.use('select');
    else bench.select(null);
  }

  /**
   * Draw without a pointer: the arrow keys move the slide below the cross, Enter puts a corner, Shift Enter the last. With an
   * open preview Space clicks there, Shift Space on the background, and Enter accepts.
   */
  private crosshair(event: KeyboardEvent): void {
    const { slides, tools } = this;
    if (event.key === ' ' && tools.givesClicks) {
      event.preventDefault();
      this.clicks.cross(event.shiftKey);
    }
    if (event.key !== 'Enter' || (this.bench.previews.current && !tools.isDrawing && tools.givesClicks)) return;
    event.preventDefault();
    if (tools.tool === 'select' && this.modes.some((mode) => mode.wants('accept'))) return;
    if (tools.tool === 'select') this.bench.select(slides.at(slides.map.getPixelFromCoordinate(slides.view.getCenter()!)));
    else tools.placeCorner(event.shiftKey);
  }
}
