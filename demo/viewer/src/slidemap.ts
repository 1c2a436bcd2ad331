/** The map: the slide's tiles, its annotations, and what is shown about the selected one. */

import Feature, { type FeatureLike } from 'ol/Feature';
import OlMap from 'ol/Map';
import View from 'ol/View';
import { defaults as defaultControls } from 'ol/control/defaults';
import { easeOut } from 'ol/easing';
import type { Extent } from 'ol/extent';
import type { Geometry } from 'ol/geom';
import { fromExtent } from 'ol/geom/Polygon';
import KeyboardZoom from 'ol/interaction/KeyboardZoom';
import { defaults as defaultInteractions } from 'ol/interaction/defaults';
import TileLayer from 'ol/layer/Tile';
import VectorLayer from 'ol/layer/Vector';
import Projection from 'ol/proj/Projection';
import VectorSource from 'ol/source/Vector';
import Zoomify from 'ol/source/Zoomify';
import type { Style } from 'ol/style';

import { imageUrl } from './api';
import { areaOf, isArea, readLocation, roomy } from './geometry';
import { morph } from './morph';
import { panning } from './panning';
import { beforeAloneStyle, beforeStyle, boxStyle, type Role, styleOf } from './styles';
import type { Annotation, ImageInstance, PimsInfo } from './types';
import type { Workbench } from './workbench';

const MORPH_MS = 650;
const HIT_PX = 6;
/** Level-0 pixels per screen pixel, at the closest. */
const CLOSEST = 1 / 16;

export class SlideMap {
  readonly map: OlMap;
  readonly source = new VectorSource<Feature<Geometry>>();
  private readonly tiles = new TileLayer<Zoomify>({ preload: 2 });
  private readonly around = new VectorSource<Feature<Geometry>>();
  private readonly comparing = new VectorSource<Feature<Geometry>>();
  private readonly comparison: VectorLayer;
  private readonly drawn: VectorLayer;
  private readonly locations = new Map<number, string>();
  private moving = 0;
  private isComparing = false;
  private isEditing = false;
  private fill = 0;

  constructor(
    readonly target: HTMLElement,
    private readonly bench: Workbench,
  ) {
    const style = (feature: FeatureLike): Style[] => styleOf(feature.get('role') as Role, feature.get('colour') as string, bench.seeing.look.fill);
    this.drawn = new VectorLayer({ source: this.source, style, zIndex: 3, updateWhileInteracting: true });
    this.comparison = new VectorLayer({ source: this.comparing, style: beforeStyle, zIndex: 2 });
    this.map = new OlMap({
      target,
      controls: defaultControls({ zoom: false, rotate: false, attribution: false }),
      interactions: defaultInteractions({ doubleClickZoom: false, altShiftDragRotate: false, pinchRotate: false, keyboard: false })
        .extend([panning(64, false), panning(8, true), new KeyboardZoom()]),
      layers: [
        this.tiles,
        new VectorLayer({ source: this.around, style: boxStyle, zIndex: 1 }),
        this.comparison,
        this.drawn,
      ],
    });
    bench.on('slide', (image, info) => this.show(image, info));
    bench.on('change', () => this.sync());
    bench.on('moved', (id, from, to) => this.animate(id, from, to));
  }

  get view(): View {
    return this.map.getView();
  }

  /** Show the shape before the refine in place of the one after it. */
  compare(on: boolean): boolean {
    this.isComparing = on && this.before() !== null;
    this.sync();
    return this.isComparing;
  }

  /** Show the vertices of the selected shape, or not. */
  edit(on: boolean): void {
    this.isEditing = on;
    this.sync();
  }

  fit(extent?: Extent): void {
    const { image } = this.bench;
    if (!image) return;
    this.view.fit(extent ? roomy(extent, 2.6) : [0, 0, image.width, image.height], {
      duration: extent && !reducedMotion() ? 300 : 0,
      padding: isNarrow() ? [16, 16, 68, 16] : [24, 24, 24, 80], // the tools lie there
    });
  }

  zoom(factor: number): void {
    this.view.animate({ resolution: (this.view.getResolution() ?? 1) / factor, duration: reducedMotion() ? 0 : 150 });
  }

  featureOf(id: number): Feature<Geometry> | null {
    return this.source.getFeatureById(id) as Feature<Geometry> | null;
  }

  /** Give the annotation under a pixel: the smallest one, so that what lies inside another can be had. */
  at(pixel: number[]): number | null {
    let [best, smallest] = [null as number | null, Infinity];
    this.map.forEachFeatureAtPixel(
      pixel,
      (feature) => {
        const [id, area] = [feature.getId(), areaOf(feature.getGeometry() as Geometry)];
        if (typeof id === 'number' && area < smallest) [best, smallest] = [id, area];
      },
      { hitTolerance: HIT_PX },
    );
    return best;
  }

  private show(image: ImageInstance, { image: pixels }: PimsInfo): void {
    const extent: Extent = [0, 0, image.width, image.height];
    // PIMS' pyramid halves the slide down to one tile, as Zoomify's does; the group only pleases the source.
    const url = `${imageUrl(image.path)}/normalized-tile/zoom/{z}/tx/{x}/ty/{y}.jpg?{TileGroup}`;
    const size = [pixels.width, pixels.height];
    this.tiles.setSource(new Zoomify({ url, size, extent, tileSize: image.tileSize }));
    const [width = 800, height = 600] = this.map.getSize() ?? [];
    const whole = Math.max(image.width / width, image.height / height, 1);
    this.map.setView(
      new View({
        projection: new Projection({ code: `slide-${image.id}`, units: 'pixels', extent }),
        extent,
        constrainOnlyCenter: true,
        minResolution: CLOSEST,
        maxResolution: whole * 2,
        center: [image.width / 2, image.height / 2],
        resolution: whole,
      }),
    );
    this.locations.clear();
    this.source.clear();
    this.fit();
  }

  /** Bring the features in line with the annotations. */
  private sync(): void {
    const { selected, seeing } = this.bench;
    const shown = seeing.shown();
    const ids = new Set(shown.map(({ id }) => id));
    for (const feature of this.source.getFeatures()) {
      const id = feature.getId() as number;
      if (!ids.has(id)) {
        this.source.removeFeature(feature);
        this.locations.delete(id);
      }
    }
    const prompts = new Set(this.bench.prompts().map((each) => each.id));
    for (const annotation of shown) this.draw(annotation, this.roleOf(annotation, prompts));
    this.paint();
    this.surround(selected);
  }

  private roleOf({ id }: Annotation, prompts: Set<number>): Role {
    const isSelected = id === this.bench.selected?.id;
    if (isSelected && this.isEditing) return 'editing';
    if (this.bench.drafts.problemOf(id)) return isSelected ? 'unsavedSelected' : 'unsaved';
    if (isSelected) return this.isComparing ? 'hidden' : 'selected';
    return prompts.has(id) ? 'prompt' : 'shape';
  }

  private draw(annotation: Annotation, role: Role): void {
    let feature = this.featureOf(annotation.id);
    if (!feature) {
      feature = new Feature<Geometry>();
      feature.setId(annotation.id);
      this.source.addFeature(feature);
    }
    if (this.locations.get(annotation.id) !== annotation.location) {
      feature.setGeometry(readLocation(annotation.location));
      this.locations.set(annotation.id, annotation.location);
    }
    if (feature.get('role') !== role) feature.set('role', role);
    const colour = this.bench.ontology.colourOf(annotation);
    if (feature.get('colour') !== colour) feature.set('colour', colour);
  }

  /** Follow what a person chose to see. */
  private paint(): void {
    const { isHidden, look } = this.bench.seeing;
    this.drawn.setVisible(!isHidden);
    this.drawn.setOpacity(look.strength);
    if (this.fill !== look.fill) this.drawn.changed();
    this.fill = look.fill;
  }

  /** Draw a stored shape again, after an interaction has moved it and Core has refused. */
  restore(id: number): void {
    this.locations.delete(id);
    this.sync();
  }

  /** Show the box that the model gets, and the shape before the refine. */
  private surround(selected: Annotation | null): void {
    this.around.clear();
    this.comparing.clear();
    const geometry = selected && readLocation(selected.location);
    if (!geometry || !isArea(geometry)) return;
    const before = this.before();
    if (before) {
      this.comparison.setStyle(this.isComparing ? beforeAloneStyle : beforeStyle);
      this.comparing.addFeature(new Feature(before));
    } else {
      this.around.addFeature(new Feature<Geometry>(fromExtent(geometry.getExtent())));
    }
  }

  private before(): Geometry | null {
    const refinement = this.bench.selected && this.bench.refinements.get(this.bench.selected.id);
    return refinement ? readLocation(refinement.previous_location) : null;
  }

  private animate(id: number, from: Geometry, to: Geometry): void {
    const between = reducedMotion() ? null : morph(from, to);
    const turn = ++this.moving;
    if (!between) return;
    const start = performance.now();
    const frame = (): void => {
      const feature = this.featureOf(id);
      const share = Math.min(1, (performance.now() - start) / MORPH_MS);
      if (!feature || turn !== this.moving || share === 1) {
        feature?.setGeometry(to.clone());
        return;
      }
      feature.setGeometry(between(easeOut(share)));
      requestAnimationFrame(frame);
    };
    this.sync();
    frame();
  }
}

const isNarrow = (): boolean => matchMedia('(max-width: 760px)').matches;
export const reducedMotion = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;

