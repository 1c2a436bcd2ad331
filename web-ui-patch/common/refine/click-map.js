/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/** The clicks and the outline of a preview on the host's own OpenLayers map. */

import Feature from 'ol/Feature';
import GeoJSON from 'ol/format/GeoJSON';
import Point from 'ol/geom/Point';
import Interaction from 'ol/interaction/Interaction';
import VectorLayer from 'ol/layer/Vector';
import VectorSource from 'ol/source/Vector';
import {Circle, Fill, Stroke, Style, Text} from 'ol/style';

import {BACKGROUND, OBJECT} from './click-session';

const NEAR_PX = 10; // around a click, where another one removes it
const SIGNS = {[OBJECT]: ['+', '#1b7f3b'], [BACKGROUND]: ['−', '#b3261e']};

const OUTLINE = [
  new Style({stroke: new Stroke({color: 'rgba(255, 255, 255, 0.9)', width: 5})}),
  new Style({stroke: new Stroke({color: '#d35400', width: 2.5, lineDash: [8, 5]}), fill: new Fill({color: 'rgba(211, 84, 0, 0.12)'})})
];

function styleOf(label) {
  const [text, color] = SIGNS[label];
  return new Style({
    image: new Circle({radius: 8, fill: new Fill({color}), stroke: new Stroke({color: 'white', width: 2})}),
    text: new Text({text, font: 'bold 14px sans-serif', fill: new Fill({color: 'white'})}),
    zIndex: 1
  });
}

export class ClickMap {
  /**
   * Take the map's clicks, until `release`; whatever else one does with a map goes on.
   *
   * @param {Object} map the host's, of OpenLayers
   * @param {Object} on
   * @param {function(number, number, ?number): void} on.click a place in the platform's frame; and its label, if it has its own
   * @param {function(number): void} on.remove which click was clicked
   */
  constructor(map, on) {
    this.map = map;
    this.on = on;
    this.clicks = [];
    this.isMenu = false;
    this.source = new VectorSource();
    this.layer = new VectorLayer({source: this.source, updateWhileInteracting: true});
    this.interaction = new Interaction({handleEvent: event => this.passesOn(event)});
    map.getViewport().style.cursor = 'crosshair';
    this.layer.setMap(map); // not one of the map's own layers: those are under what the host shows as selected
    map.addInteraction(this.interaction); // the last one is asked first
  }

  /** Whether the host's own interactions get an event too. */
  passesOn(event) {
    const {type, originalEvent} = event;
    if (type === 'pointerdown') {
      this.isMenu = false;
    } else if (type === 'contextmenu') { // a right click, or a finger that stays
      originalEvent.preventDefault();
      this.isMenu = true;
      this.clicked(event, BACKGROUND);
    } else if (type === 'click' && !this.isMenu) { // after a menu, it is the same finger that goes
      this.clicked(event, originalEvent.altKey ? BACKGROUND : undefined);
    }
    return !['click', 'singleclick', 'dblclick', 'contextmenu'].includes(type);
  }

  clicked({pixel, coordinate}, label) {
    const near = this.clicks.findIndex(click => this.distancePx(click, pixel) <= NEAR_PX);
    if (near >= 0) {
      this.on.remove(near);
    } else {
      this.on.click(...coordinate, label);
    }
  }

  distancePx({x, y}, [left, top]) {
    const [clickLeft, clickTop] = this.map.getPixelFromCoordinate([x, y]);
    return Math.hypot(clickLeft - left, clickTop - top);
  }

  /** Show an outline, or none, and the clicks. */
  show(geometry, clicks) {
    this.clicks = clicks;
    const marks = clicks.map(({x, y, label}) => {
      const mark = new Feature(new Point([x, y]));
      mark.setStyle(styleOf(label));
      return mark;
    });
    if (geometry) {
      const outline = new Feature(new GeoJSON().readGeometry(geometry));
      outline.setStyle(OUTLINE);
      marks.unshift(outline);
    }
    this.source.clear();
    this.source.addFeatures(marks);
  }

  /** Give the map back as it was. */
  release() {
    this.map.getViewport().style.cursor = '';
    this.map.removeInteraction(this.interaction);
    this.layer.setMap(null);
  }
}
