/** What the pointer does on the map, one tool at a time; and the same with the keyboard, by a cross in the middle. */

import Collection from 'ol/Collection';
import Feature from 'ol/Feature';
import type { Coordinate } from 'ol/coordinate';
import type { Geometry } from 'ol/geom';
import Draw from 'ol/interaction/Draw';
import type Interaction from 'ol/interaction/Interaction';
import Modify from 'ol/interaction/Modify';
import VectorLayer from 'ol/layer/Vector';
import VectorSource from 'ol/source/Vector';

import { cornersNeeded, shapeOf, type ShapeTool } from './geometry';
import { TwoCorners } from './sketch';
import type { SlideMap } from './slidemap';
import { outlinesOnDraw } from './switch';
import { sketchStyle, vertexStyle } from './styles';
import type { Workbench } from './workbench';

const DOT_PX = 5;

export type Tool = 'select' | 'modify' | ShapeTool;

export const toolNames: Record<Tool, string> = {
  select: 'Select',
  rectangle: 'Rectangle',
  polygon: 'Polygon',
  freehand: 'Freehand polygon',
  circle: 'Circle',
  point: 'Point',
  line: 'Line',
  modify: 'Modify',
};

export class Tools {
  tool: Tool = 'select';
  /** A tool that draws by clicks was chosen while a preview is open. */
  private isInsisting = false;
  /** Told of clicks on the slide before the tools; those it takes are no business of theirs. */
  claims: (coordinate: Coordinate, pixel: number[]) => boolean = () => false;
  /** Gets the next shape that is drawn, in place of Core. */
  private taker: ((geometry: Geometry | null) => void) | null = null;
  private active: Interaction[] = [];
  private corners: Coordinate[] = [];
  private stretched: Coordinate | null = null;
  private readonly editable = new Collection<Feature<Geometry>>();
  private readonly sketch = new VectorSource<Feature<Geometry>>();
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly slides: SlideMap,
    private readonly bench: Workbench,
  ) {
    const { map } = slides;
    map.addLayer(new VectorLayer({ source: this.sketch, style: sketchStyle, zIndex: 5 }));
    map.on('click', (event) => {
      if (this.givesClicks || (this.tool !== 'select' && this.tool !== 'modify')) return;
      if (!this.claims(event.coordinate, event.pixel)) bench.select(slides.at(event.pixel));
    });
    map.on('pointermove', (event) => {
      if (event.dragging) return;
      const cursor = this.tool === 'select' && !this.givesClicks ? (slides.at(event.pixel) === null ? 'grab' : 'pointer') : 'crosshair';
      slides.target.style.cursor = cursor;
    });
    map.on('postrender', () => this.stretch());
    bench.on('change', () => this.follow());
    bench.on('preview', () => this.makeRoom());
    bench.on('slide', () => this.cancel());
  }

  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  /** Whether a click on the slide belongs to the open preview. */
  get givesClicks(): boolean {
    return !this.isInsisting && this.bench.previews.current !== null;
  }

  use(tool: Tool): void {
    if (tool === 'select' || tool === 'modify') this.give(null);
    this.isInsisting = clickTools.includes(tool);
    this.active.forEach((each) => this.slides.map.removeInteraction(each));
    this.tool = tool;
    this.active = this.interactionsOf(tool);
    this.active.forEach((each) => this.slides.map.addInteraction(each));
    this.cancel();
    this.makeRoom();
    this.slides.edit(tool === 'modify');
    this.listeners.forEach((listener) => listener());
  }

  /** Let a person draw something that is not stored; null where another tool is chosen instead. */
  async ask(tool: ShapeTool): Promise<Geometry | null> {
    this.use(tool);
    return new Promise((resolve) => (this.taker = resolve));
  }

  /** Whether something is half drawn. */
  get isDrawing(): boolean {
    return this.sketch.getFeatures().length > 0 || this.active.some(isDrawing);
  }

  /** Forget what is half drawn; tells whether there was anything. */
  cancel(): boolean {
    const some = this.isDrawing;
    this.corners = [];
    this.sketch.clear();
    for (const each of this.active) {
      if (each instanceof Draw) each.abortDrawing();
      if (each instanceof TwoCorners) each.cancel();
    }
    return some;
  }

  /** Put a corner under the cross; a shape that needs no more corners, or is told that this is the last, is done. */
  placeCorner(isLast: boolean): void {
    const centre = this.slides.view.getCenter();
    if (!centre || this.tool === 'select' || this.tool === 'modify') return;
    this.corners.push(centre);
    const open = this.tool === 'polygon' || this.tool === 'freehand' || this.tool === 'line';
    const enough = this.corners.length >= cornersNeeded[this.tool];
    if (enough && (isLast || !open)) this.finish(this.corners);
    else this.preview([...this.corners]);
  }

  private interactionsOf(tool: Tool): Interaction[] {
    switch (tool) {
      case 'select':
        return [];
      case 'modify':
        return [this.modify()];
      case 'rectangle':
      case 'circle':
        return [new TwoCorners((corners) => this.preview(corners), (corners) => this.finish(corners), () => !this.givesClicks)];
      case 'point':
        return [this.draw(new Draw({ type: 'Point', style: sketchStyle }))];
      case 'line':
        return [this.draw(new Draw({ type: 'LineString', style: sketchStyle }))];
      case 'polygon':
        return [this.draw(new Draw({ type: 'Polygon', style: sketchStyle }))];
      case 'freehand':
        return [this.draw(new Draw({ type: 'Polygon', freehand: true, style: sketchStyle }))];
    }
  }

  private draw(draw: Draw): Draw {
    draw.on('drawend', (event) => this.store(event.feature.getGeometry() as Geometry));
    return draw;
  }

  private modify(): Modify {
    const modify = new Modify({ features: this.editable, style: vertexStyle, pixelTolerance: 12 });
    modify.on('modifyend', (event) => {
      const feature = event.features.item(0) as Feature<Geometry>;
      const id = feature.getId() as number;
      void this.bench.move(id, feature.getGeometry() as Geometry).then(() => this.slides.restore(id));
    });
    return modify;
  }

  /** Show the shape that the next corner under the cross would give. */
  private stretch(): void {
    const centre = this.slides.view.getCenter();
    const last = this.stretched;
    if (this.corners.length === 0 || !centre || (last && last[0] === centre[0] && last[1] === centre[1])) return;
    this.stretched = centre;
    this.preview([...this.corners, centre]);
  }

  private preview(corners: Coordinate[]): void {
    this.sketch.clear();
    const shape = this.tool === 'select' || this.tool === 'modify' ? null : shapeOf(this.tool, corners);
    const geometry = shape ?? (corners.length > 1 ? shapeOf('line', corners) : shapeOf('point', corners));
    if (geometry) this.sketch.addFeature(new Feature(geometry));
  }

  private finish(corners: Coordinate[]): void {
    const shape = shapeOf(this.tool as ShapeTool, corners);
    this.corners = [];
    this.sketch.clear();
    if (shape) this.store(shape);
  }

  /** Give a shape to be outlined, if it has an area and that is wished, else to Core. A click is no shape. */
  private store(geometry: Geometry): void {
    const { bench } = this;
    if (this.givesClicks && this.tool === 'freehand' && isDot(geometry, this.slides)) return;
    if (this.taker) this.give(geometry);
    else if (outlinesOnDraw() && bench.previews.draw(geometry, toolNames[this.tool])) this.isInsisting = false;
    else bench.draw(geometry, toolNames[this.tool]);
    this.makeRoom();
  }

  /** Give what was asked for, or that nothing comes, and be ready for other things. */
  private give(geometry: Geometry | null): void {
    const { taker } = this;
    this.taker = null;
    taker?.(geometry);
  }

  /** Tools that draw by clicks leave them to an open preview, until they are chosen anew. */
  private makeRoom(): void {
    for (const each of this.active) if (clickTools.includes(this.tool)) each.setActive(!this.givesClicks);
  }

  private follow(): void {
    const feature = this.bench.selected && this.slides.featureOf(this.bench.selected.id);
    if (this.editable.item(0) === feature && this.editable.getLength() <= 1) return;
    this.editable.clear();
    if (feature) this.editable.push(feature);
  }
}

const clickTools: Tool[] = ['polygon', 'point', 'line', 'modify'];

/** Whether a shape is no larger than a hand that trembles. */
function isDot(geometry: Geometry, { view }: SlideMap): boolean {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = geometry.getExtent();
  return Math.hypot(x1 - x0, y1 - y0) < DOT_PX * (view.getResolution() ?? 1);
}

const isDrawing = (each: Interaction): boolean => each instanceof Draw && each.getOverlay().getSource()!.getFeatures().length > 0;
