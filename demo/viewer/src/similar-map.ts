/** A search on the map: its proposals, examples and region, and what a click on them does. */

import Feature from 'ol/Feature';
import type { Coordinate } from 'ol/coordinate';
import { containsExtent } from 'ol/extent';
import type { Geometry } from 'ol/geom';
import VectorLayer from 'ol/layer/Vector';
import VectorSource from 'ol/source/Vector';
import { Fill, Stroke, Style } from 'ol/style';

import { readLocation } from './geometry';
import { ProposalsLayer } from './proposals-layer';
import type { Proposal } from './proposals-wire';
import type { Similar } from './similar';
import type { SlideMap } from './slidemap';
import { soon } from './soon';
import type { Tools } from './tools';
import type { Workbench } from './workbench';

const [LIKE, UNLIKE, REGION, FOCUS] = ['#00875f', '#b3261e', '#2457d6', '#111318'];

const line = (color: string, width: number, lineDash?: number[]): Style =>
  new Style({ stroke: new Stroke({ color, width, ...(lineDash && { lineDash }) }) });
const seam = line('rgba(255, 255, 255, 0.9)', 6.5);
const styles = {
  like: [seam, line(LIKE, 4)],
  unlike: [seam, line(UNLIKE, 4, [2, 6])],
  region: [line('rgba(255, 255, 255, 0.8)', 3.5), line(REGION, 1.5, [8, 6])],
  focus: [line('rgba(255, 255, 255, 0.95)', 8), new Style({ stroke: new Stroke({ color: FOCUS, width: 3 }), fill: new Fill({ color: 'rgba(255,255,255,0.15)' }) })],
};

export class SimilarMap {
  private readonly proposals = new ProposalsLayer(3.4);
  private readonly marks = new VectorSource<Feature<Geometry>>();
  private threshold = 0;
  private focus: Proposal | null = null;

  constructor(
    private readonly slides: SlideMap,
    private readonly bench: Workbench,
    private readonly similar: Similar,
    tools: Tools,
  ) {
    slides.map.addLayer(this.proposals);
    slides.map.addLayer(new VectorLayer({ source: this.marks, zIndex: 3.5 }));
    tools.claims = (coordinate, pixel) => this.clicked(coordinate, pixel);
    slides.map.on('pointermove', (event) => {
      if (!event.dragging && similar.isOpen && tools.tool === 'select' && this.at(event.coordinate)) slides.target.style.cursor = 'pointer';
    });
    bench.on('proposals', soon(() => this.show()));
  }

  /** Hide the proposals while a person wants to see what is below them. */
  look(through: boolean): void {
    this.proposals.setVisible(!through);
  }

  private at([x = 0, y = 0]: Coordinate): Proposal | null {
    return this.similar.isOpen ? this.proposals.at(x, y, this.slides.view.getResolution() ?? 1) : null;
  }

  /** A click drops a proposal or takes it back; while examples are picked, it is about annotations. Tells whether it was for us. */
  private clicked(coordinate: Coordinate, pixel: number[]): boolean {
    const { similar } = this;
    if (!similar.isOpen) return false;
    if (similar.picking !== null) {
      const id = this.slides.at(pixel);
      if (id !== null) similar.pick(id, similar.picking);
      return true;
    }
    const proposal = this.at(coordinate);
    if (!proposal) return false;
    similar.toggle(proposal);
    this.proposals.spoil(proposal);
    return true;
  }

  private show(): void {
    const { similar, proposals } = this;
    proposals.show(similar.isOpen ? similar.set : null);
    proposals.grow();
    if (this.threshold !== similar.set.threshold) proposals.spoil();
    this.threshold = similar.set.threshold;
    if (similar.focus) proposals.spoil(similar.focus);
    this.mark();
    if (similar.focus && similar.focus !== this.focus) this.follow(similar.focus);
    this.focus = similar.focus;
  }

  /** Bring a proposal into view, if it is not. */
  private follow({ shape }: Proposal): void {
    const { view, map } = this.slides;
    const extent = shape.getExtent();
    if (!containsExtent(view.calculateExtent(map.getSize()), extent)) this.slides.fit(extent);
  }

  private mark(): void {
    const { similar, bench, marks } = this;
    marks.clear(true);
    if (!similar.isOpen) return;
    for (const [id, kind] of similar.examples) {
      const annotation = bench.annotations.get(id);
      if (annotation) this.add(readLocation(annotation.location), kind > 0 ? 'like' : 'unlike');
    }
    if (similar.where === 'drawn' && similar.drawn) this.add(similar.drawn, 'region');
    if (similar.focus) this.add(similar.focus.shape, 'focus');
  }

  private add(geometry: Geometry, style: keyof typeof styles): void {
    const feature = new Feature(geometry);
    feature.setStyle(styles[style]);
    this.marks.addFeature(feature);
  }
}
