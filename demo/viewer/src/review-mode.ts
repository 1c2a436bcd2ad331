/** What keys do while a list is reviewed, and the map that flies to what is looked at. */

import type { Mode } from './deeds';
import { readLocation } from './geometry';
import type { Deed } from './keyboard';
import type { Item } from './review-list';
import type { SlideMap } from './slidemap';
import type { Workbench } from './workbench';

export class ReviewMode implements Mode {
  private shown: Item | null = null;

  constructor(
    private readonly bench: Workbench,
    private readonly slides: SlideMap,
  ) {
    bench.on('review', () => this.fly());
  }

  wants(deed: Deed): boolean {
    const { list, current } = this.bench.review;
    if (current === null) return list !== null && (deed === 'escape' || deed === 'previous');
    return deed === 'accept' || deed === 'delete' || deed === 'correct' || deed === 'next' || deed === 'previous';
  }

  start(deed: Deed): void {
    const { review } = this.bench;
    if (deed === 'accept') void review.accept();
    else if (deed === 'delete') void review.reject();
    else if (deed === 'correct') review.correct();
    else if (deed === 'escape') review.close();
    else if (deed === 'next') void review.skip();
    else void review.back();
  }

  private fly(): void {
    const { current } = this.bench.review;
    const annotation = current && this.bench.annotations.get(current.annotation);
    if (annotation && current.annotation !== this.shown?.annotation) this.slides.fit(readLocation(annotation.location).getExtent());
    this.shown = current;
  }
}
