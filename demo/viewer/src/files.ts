/** The dialog of files: annotations go out as GeoJSON or COCO, and come in as GeoJSON. */

import { some } from './accept-words';
import { coco } from './coco';
import { byId } from './dom';
import { featureCollection, save } from './geojson';
import { isArea, readLocation } from './geometry';
import { importFile } from './importing';
import { attempt } from './picker';
import type { Annotation, ImageInstance } from './types';
import type { Workbench } from './workbench';

export function files(bench: Workbench): void {
  const dialog = byId<HTMLDialogElement>('files-dialog');
  const file = byId<HTMLInputElement>('import-file');
  const only = byId<HTMLInputElement>('export-shown');

  /** What Cytomine has, or of that what the filter lets through. */
  const chosen = (): Annotation[] =>
    (only.checked ? bench.seeing.shown() : [...bench.annotations.values()]).filter(({ id }) => id > 0);

  function open(): void {
    byId('export-shown-row').hidden = !bench.seeing.isFiltering;
    only.checked = bench.seeing.isFiltering;
    tell();
    dialog.showModal();
  }

  function tell(): void {
    const areas = chosen().filter(({ location }) => isArea(readLocation(location))).length;
    const left = chosen().length - areas;
    byId('export-count').textContent = some(chosen().length, 'annotation');
    byId('coco-note').textContent = left ? `COCO has no points or lines: ${some(left, 'annotation')} would be left out.` : '';
  }

  function exporting(kind: string, write: (image: ImageInstance) => object, type?: string): void {
    const { image } = bench;
    if (!image) return;
    save(JSON.stringify(write(image), null, 1), `${image.instanceFilename.replace(/\.[^.]*$/, '')}${kind}`, type);
    dialog.close();
  }

  byId('files-button').addEventListener('click', open);
  only.addEventListener('change', tell);
  byId('export-geojson').addEventListener('click', () => exporting('.geojson', (image) => featureCollection(image, chosen(), bench)));
  byId('export-coco').addEventListener('click', () => exporting('.coco.json', (image) => coco(image, chosen(), bench.terms), 'application/json'));
  byId('import-geojson').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    const given = file.files?.[0];
    dialog.close();
    if (given) void attempt(() => importFile(bench, given)).then(() => (file.value = ''));
  });
}
