/** Imports outlines from a file: what is there already is left out, the rest is stored as one batch that can be undone. */

import type { Extent } from 'ol/extent';
import type { MultiPolygon, Polygon } from 'ol/geom';
import RBush from 'ol/structs/RBush';

import { itemOf, type Item } from './accept-batch';
import { some } from './accept-words';
import { Problem } from './api';
import { isArea, isSameShape, readLocation, verticesOf } from './geometry';
import { type Found, readGeoJson, type Read } from './geojson-read';
import { overlap } from './proposals-overlap';
import type { Annotation, Term } from './types';
import { sentences } from './words';
import type { Workbench } from './workbench';

/** A browser cannot hold much more in one text. */
const MOST_BYTES = 200 * 1024 ** 2;
/** Core takes corners away from shapes that have more, and so stores another outline than it was sent. */
const SIMPLIFIED_FROM = 100;
/** Share that such an outline has in common with what was sent. */
const SIMPLIFIED = 0.97;

export const isGeoJson = ({ name }: File): boolean => /\.(geo)?json$/i.test(name);

export async function importFile(bench: Workbench, file: File): Promise<void> {
  const { image, accepts } = bench;
  if (!image) return;
  if (accepts.current) throw new Problem('Another batch is not finished', 'Wait until it is finished, or skip the rest, then import.', 409);
  if (file.size > MOST_BYTES) throw new Problem('The file is too large', `This page reads up to ${MOST_BYTES / 1024 ** 2} MiB.`, 413);
  const read = readGeoJson(await file.text(), image);
  await bench.settled();
  if (bench.image !== image) throw new Problem('Nothing was imported', 'Another slide was opened meanwhile.', 409);
  const fresh = without(read.found, bench.annotations.values());
  const there = read.found.length - fresh.length;
  const { items, unknown } = withTerms(fresh, [...bench.terms.values()]);
  if (items.length) await accepts.begin(items, [], `${some(items.length, 'annotation')} imported`);
  const told = leftOut(read, there, unknown);
  if (!items.length) bench.emit('told', read.left.size ? 'warning' : 'info', 'Nothing to import', told);
  else if (told) bench.emit('told', 'warning', read.left.size ? 'Part of the file was left out' : there ? 'Imported what was new' : 'Imported without some terms', told);
}

/** Those that are not on the slide yet, each once. */
export function without(found: readonly Found[], there: Iterable<Annotation>): Found[] {
  const known = new RBush<{ location: string }>();
  const boxOf = (location: string): Extent => readLocation(location).getExtent();
  const add = (location: string): void => known.insert(boxOf(location), { location });
  for (const { location } of there) add(location);
  return found.filter(({ location }) => {
    const isNew = !known.getInExtent(boxOf(location)).some((each) => isStoredAs(location, each.location));
    if (isNew) add(location);
    return isNew;
  });
}

/** Whether Core has, or may have, made one location of the other. */
function isStoredAs(sent: string, stored: string): boolean {
  if (isSameShape(sent, stored)) return true;
  const [one, other] = [readLocation(sent), readLocation(stored)];
  if (!isArea(one) || !isArea(other) || verticesOf(one).length < SIMPLIFIED_FROM) return false;
  return overlap(one as Polygon | MultiPolygon, other as Polygon | MultiPolygon) >= SIMPLIFIED;
}

/** Names are those of terms, whatever their capitals; what the project does not know is told. */
export function withTerms(found: readonly Found[], terms: readonly Term[]): { items: Item[]; unknown: Map<string, number> } {
  const byName = new Map(terms.map(({ name, id }) => [name.toLowerCase(), id]));
  const unknown = new Map<string, number>();
  const items = found.map(({ location, name }) => {
    const term = name === null ? undefined : byName.get(name.toLowerCase());
    if (name !== null && term === undefined) unknown.set(name, (unknown.get(name) ?? 0) + 1);
    return { ...itemOf(location, null, false), terms: term === undefined ? [] : [term] };
  });
  return { items, unknown };
}

export function leftOut({ left }: Read, there: number, unknown: Map<string, number>): string {
  return sentences(
    there ? `${some(there, 'annotation')} ${there === 1 ? 'is' : 'are'} on the slide already` : '',
    ...[...left].map(([why, count]) => `${some(count, 'feature')} ${why} left out`),
    ...[...unknown].map(([name, count]) => `The project has no term “${name}”: ${some(count, 'annotation')} ${count === 1 ? 'has' : 'have'} none`),
  );
}
