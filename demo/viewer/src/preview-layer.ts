/** Open previews on the map: the shape that was drawn, the outline that came of it, and the clicks. */

import Feature from 'ol/Feature';
import { type Geometry, Point } from 'ol/geom';
import { fromExtent } from 'ol/geom/Polygon';
import VectorLayer from 'ol/layer/Vector';
import VectorSource from 'ol/source/Vector';

import { readLocation } from './geometry';
import { boxOf } from './outlines';
import type { Preview } from './queue';
import type { SlideMap } from './slidemap';
import { type PreviewPart, previewStyle } from './styles';
import type { Workbench } from './workbench';

/** The measure from a click, or a shape, to its outline on the screen. */
export const SHOWN = 'prompt to outline';

export class PreviewLayer {
  private readonly source = new VectorSource<Feature<Geometry>>();
  private readonly layer = new VectorLayer({ source: this.source, style: previewStyle, zIndex: 4 });
  private measured = 0;

  constructor(
    slides: SlideMap,
    private readonly bench: Workbench,
  ) {
    slides.map.addLayer(this.layer);
    bench.on('preview', () => this.show());
    bench.on('slide', () => this.show());
    bench.on('user', () => this.show());
  }

  /** Hide the previews while a person wants to see what is below them. */
  look(through: boolean): void {
    this.layer.setVisible(!through);
  }

  private show(): void {
    const { current, shown } = this.bench.previews;
    this.source.clear(true);
    this.source.addFeatures(shown.flatMap((each) => partsOf(each, each === current)));
    if (current?.outline && !current.isAsking) this.measure();
  }

  /** Tell the browser's own clock when the answer to the newest prompts is on the screen. */
  private measure(): void {
    const { askedAt } = this.bench.previews;
    if (askedAt === this.measured) return;
    this.measured = askedAt;
    this.layer.once('postrender', () => {
      requestAnimationFrame((end) => performance.measure(SHOWN, { start: askedAt, end: Math.max(end, askedAt) }));
    });
  }
}

function partsOf({ session, outline }: Preview, isCurrent: boolean): Feature<Geometry>[] {
  const part = (geometry: Geometry, name: PreviewPart): Feature<Geometry> => {
    const feature = new Feature(geometry);
    feature.set('part', name, true);
    return feature;
  };
  const parts = [part(readLocation(session.shape), outline ? 'shape' : 'waiting')];
  if (outline) parts.push(part(readLocation(outline.location), isCurrent ? (outline.isDoubtful ? 'doubtful' : 'outline') : 'behind'));
  if (!isCurrent) return parts;
  const clicks = session.clicks.map(({ x, y, label }) => part(new Point([x, y]), label ? 'object' : 'background'));
  return [part(fromExtent(outline?.box ?? boxOf(session)), 'box'), ...parts, ...clicks];
}
