/** Reads outlines from GeoJSON as QuPath, `refine` and this page write it: level-0 pixels, y down unless the file says other. */

import GeoJSON from 'ol/format/GeoJSON';
import { containsExtent, intersects } from 'ol/extent';
import { type Geometry, LineString, MultiPolygon, Point, Polygon } from 'ol/geom';

import { Problem } from './api';
import { flipped, writeLocation } from './geometry';
import { sound } from './sound';
import type { ImageInstance } from './types';

const format = new GeoJSON();

/** An outline of a file, ready to be stored. */
export interface Found {
  /** WKT, platform frame. */
  location: string;
  /** What the file calls its class; null if nothing. */
  name: string | null;
}

export interface Read {
  found: Found[];
  /** Why others were left out, in words, with how many it was. */
  left: Map<string, number>;
}

interface Feature {
  geometry: unknown;
  properties?: unknown;
}

/** Read a file's text; raises a `Problem` that says what is wrong with it as a whole. */
export function readGeoJson(text: string, image: ImageInstance): Read {
  const file = parsed(text);
  const features = featuresOf(file);
  checkSlide(file, image);
  const isUp = Object(Object(file).frame).y === 'up';
  const read: Read = { found: [], left: new Map() };
  for (const feature of features) {
    const found = readFeature(feature, image, isUp);
    if (typeof found === 'string') read.left.set(found, (read.left.get(found) ?? 0) + 1);
    else read.found.push(found);
  }
  return read;
}

const refused = (title: string, detail: string): Problem => new Problem(title, `${detail} Nothing was imported.`, 422);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refused('This file is not GeoJSON', 'It cannot be read as JSON; perhaps it is cut off.');
  }
}

/** A collection, a list as QuPath writes it, one feature, or a bare geometry. */
function featuresOf(file: unknown): Feature[] {
  const { type, features, coordinates } = Object(file) as Record<string, unknown>;
  if (type === 'FeatureCollection' && Array.isArray(features)) return filled(features.map(asFeature));
  if (Array.isArray(file)) return filled(file.map(asFeature));
  if (type === 'Feature') return [asFeature(file)];
  if (typeof type === 'string' && Array.isArray(coordinates)) return [{ geometry: file }];
  throw refused('This file is not GeoJSON', 'It is JSON, but holds no features.');
}

const asFeature = (each: unknown): Feature => Object(each) as Feature;

function filled(features: Feature[]): Feature[] {
  if (features.length === 0) throw refused('This file is empty', 'It is GeoJSON with no feature in it.');
  return features;
}

/** Our own files say how large their slide is. */
function checkSlide(file: unknown, { width, height }: ImageInstance): void {
  const told = Object(Object(file).image) as Record<string, unknown>;
  if (typeof told.width !== 'number' || typeof told.height !== 'number') return;
  if (told.width === width && told.height === height) return;
  const [its, this_] = [`${told.width} × ${told.height}`, `${width} × ${height}`];
  throw refused('This file belongs to another slide', `Its slide, ${String(told.name ?? 'without a name')}, has ${its} pixels; this one has ${this_}.`);
}

/** Give an outline, or why there is none. */
function readFeature({ geometry, properties }: Feature, { width, height }: ImageInstance, isUp: boolean): Found | string {
  const read = readGeometry(geometry);
  if (typeof read === 'string') return read;
  const placed = isUp ? read : flipped(read, height);
  const slide = [0, 0, width, height];
  if (!intersects(slide, placed.getExtent())) return 'outside of the slide';
  const shape = sound(placed);
  if (!shape) return 'without an area';
  if (!containsExtent(slide, shape.getExtent()) && shape instanceof Point) return 'outside of the slide';
  return { location: writeLocation(shape), name: nameOf(properties) };
}

function readGeometry(geometry: unknown): Geometry | string {
  const { type } = Object(geometry) as { type?: unknown };
  if (type === undefined) return 'without a geometry';
  if (!['Polygon', 'MultiPolygon', 'Point', 'LineString'].includes(String(type))) return `of type ${String(type)}`;
  try {
    const read = format.readGeometry(geometry as object) as Polygon | MultiPolygon | Point | LineString;
    return isWhole(read) ? read : 'with broken coordinates';
  } catch {
    return 'with broken coordinates';
  }
}

/** Whether all coordinates are numbers, and there are enough of them; a third dimension is dropped by what writes them. */
function isWhole(geometry: Polygon | MultiPolygon | Point | LineString): boolean {
  const flat = geometry.getFlatCoordinates();
  const least = geometry instanceof Point ? 1 : geometry instanceof LineString ? 2 : 4;
  return flat.length >= least * 2 && flat.every(Number.isFinite);
}

/** QuPath keeps a classification, which may be a name or have one; others have a word of their own. */
function nameOf(properties: unknown): string | null {
  const all = Object(properties) as Record<string, unknown>;
  const { classification, term } = all;
  const name = Object(classification).name ?? classification ?? term ?? all.class;
  return typeof name === 'string' && name.trim() ? name.trim() : null;
}
