/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/** Proposals on the host's own OpenLayers map: those that would be accepted, and those that are dropped. */

import Feature from 'ol/Feature';
import GeoJSON from 'ol/format/GeoJSON';
import Interaction from 'ol/interaction/Interaction';
import VectorLayer from 'ol/layer/Vector';
import VectorSource from 'ol/source/Vector';
import {Fill, Stroke, Style} from 'ol/style';

const NEAR_PX = 4;
const CHOSEN = [
  new Style({stroke: new Stroke({color: 'rgba(255, 255, 255, 0.9)', width: 4})}),
  new Style({stroke: new Stroke({color: '#00695c', width: 2}), fill: new Fill({color: 'rgba(0, 150, 136, 0.25)'})})
];
const DROPPED = [
  new Style({stroke: new Stroke({color: 'rgba(255, 255, 255, 0.9)', width: 3})}), // dashes alone are lost on dark tissue
  new Style({
    stroke: new Stroke({color: '#3c4043', width: 1.5, lineDash: [4, 4]}), fill: new Fill({color: 'rgba(95, 99, 104, 0.08)'})
  })
];

export class SimilarMap {
  /**
   * Show proposals and take the map's clicks, until `release`; whatever else one does with a map goes on.
   *
   * @param {Object} map the host's, of OpenLayers
   * @param {function(number): void} toggle which proposal was clicked
   */
  constructor(map, toggle) {
    this.map = map;
    this.toggle = toggle;
    this.format = new GeoJSON();
    this.features = new Map(); // by the number of the proposal
    this.source = new VectorSource();
    this.layer = new VectorLayer({source: this.source, updateWhileInteracting: true});
    this.interaction = new Interaction({handleEvent: event => this.passesOn(event)});
    this.layer.setMap(map); // not one of the map's own layers: those are under what the host shows as selected
    map.addInteraction(this.interaction); // the last one is asked first
  }

  /** The part of an image that the map shows, as a GeoJSON feature; null where it shows nothing of it. */
  regionOf({width, height}) {
    const [left, bottom, right, top] = this.map.getView().calculateExtent(this.map.getSize());
    const [x0, y0, x1, y1] = [Math.max(left, 0), Math.max(bottom, 0), Math.min(right, width), Math.min(top, height)];
    if (!(x0 < x1 && y0 < y1)) {
      return null;
    }
    const ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]];
    return {type: 'Feature', geometry: {type: 'Polygon', coordinates: [ring]}, properties: {}};
  }

  /** Whether the host's own interactions get an event too: they would select what lies under a proposal. */
  passesOn({type, pixel}) {
    if (type === 'click') {
      const feature = this.map.forEachFeatureAtPixel(pixel, each => each, {layerFilter: layer => layer === this.layer, hitTolerance: NEAR_PX});
      if (feature) {
        this.toggle(feature.getId());
      }
    }
    return !['click', 'singleclick', 'dblclick'].includes(type);
  }

  /** Show proposals, and which of them are dropped; only what differs from before is touched. */
  show(proposals, dropped) {
    const wanted = new Set(proposals.map(({key}) => key));
    const gone = [...this.features.keys()].filter(key => !wanted.has(key));
    gone.forEach(key => {
      this.source.removeFeature(this.features.get(key));
      this.features.delete(key);
    });
    this.source.addFeatures(proposals.filter(({key}) => !this.features.has(key)).map(proposal => this.feature(proposal)));
    const out = new Set(dropped);
    this.features.forEach((feature, key) => {
      const style = out.has(key) ? DROPPED : CHOSEN;
      if (feature.getStyle() !== style) {
        feature.setStyle(style);
      }
    });
  }

  feature({key, geometry}) {
    const feature = new Feature(this.format.readGeometry(geometry));
    feature.setId(key);
    this.features.set(key, feature);
    return feature;
  }

  /** Give the map back as it was. */
  release() {
    this.map.removeInteraction(this.interaction);
    this.layer.setMap(null);
  }
}
