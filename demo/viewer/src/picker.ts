/** The slides of the project, and the way in for one's own. */

import { asProblem, imageUrl } from './api';
import { byId, el } from './dom';
import { complain } from './notifications';
import { importFile, isGeoJson } from './importing';
import type { ImageInstance } from './types';
import type { Workbench } from './workbench';

const THUMB_PX = 320;

export function picker(bench: Workbench): void {
  const dialog = byId<HTMLDialogElement>('slides-dialog');
  const file = byId<HTMLInputElement>('slide-file');
  const dropzone = byId('dropzone');

  async function fill(): Promise<void> {
    const images = await bench.api.images(bench.about.project);
    byId('slides-grid').replaceChildren(...images.map(card));
  }

  function card(image: ImageInstance): HTMLElement {
    const open = (): void => {
      dialog.close();
      attempt(() => bench.open(image.id));
    };
    return el(
      'li',
      {},
      el(
        'button',
        { type: 'button', class: 'slide', onclick: open, 'aria-current': String(image.id === bench.image?.id) },
        el('img', { src: `${imageUrl(image.path)}/thumb?length=${THUMB_PX}`, alt: '', loading: 'lazy' }),
        el('span', { class: 'name' }, image.instanceFilename),
        el('span', { class: 'extent' }, `${image.width.toLocaleString('en')} × ${image.height.toLocaleString('en')} px`),
      ),
    );
  }

  async function add(files: Iterable<File>): Promise<void> {
    const progress = byId<HTMLProgressElement>('upload-progress');
    for (const each of files) {
      if (isGeoJson(each)) {
        await attempt(() => importFile(bench, each));
        continue;
      }
      byId('upload').hidden = false;
      byId('upload-name').textContent = each.name;
      progress.value = 0;
      await attempt(() => bench.addSlide(each, (share) => (progress.value = share)));
    }
    byId('upload').hidden = true;
    dialog.close();
  }

  byId('slides-button').addEventListener('click', () => {
    dialog.showModal();
    attempt(fill);
  });
  byId('add-slide').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    void add([...(file.files ?? [])]).then(() => (file.value = ''));
  });

  const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    dropzone.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) dropzone.hidden = true;
  });
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    dropzone.hidden = true;
    void add([...(event.dataTransfer?.files ?? [])]);
  });
}

/** Do something and tell of its problem. */
export async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    complain(asProblem(error));
  }
}
