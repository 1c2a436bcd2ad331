/** What a person chose to see of the annotations; kept in this browser, but for hiding all of them. */

import { EVERYTHING, type Filter, isFiltering, type Look, passes, readSight } from './sight';
import type { Annotation } from './types';
import type { Workbench } from './workbench';

const KEY = 'sight';

export class Seeing {
  filter: Filter;
  look: Look;
  isHidden = false;

  constructor(private readonly bench: Workbench) {
    const { filter, look } = readSight(localStorage.getItem(KEY));
    [this.filter, this.look] = [filter, look];
  }

  get isFiltering(): boolean {
    return isFiltering(this.filter);
  }

  /** The newest first. What is selected is always among them, and so is what could not be saved. */
  shown(): Annotation[] {
    const { annotations, selected } = this.bench;
    const all = [...annotations.values()];
    const some = this.isFiltering ? all.filter((each) => each.id === selected?.id || this.lets(each)) : all;
    return some.sort((one, other) => other.id - one.id);
  }

  /** Whatever is selected and does not pass is let go. */
  choose(filter: Partial<Filter>): void {
    this.filter = { ...this.filter, ...filter };
    const { selected } = this.bench;
    if (selected && !this.lets(selected)) this.bench.selected = null;
    this.changed();
  }

  showAll(): void {
    this.choose(EVERYTHING);
  }

  paint(look: Partial<Look>): void {
    this.look = { ...this.look, ...look };
    this.changed();
  }

  /** Hide all annotations on the map, to see the tissue below them; or show them again. */
  hide(isHidden = !this.isHidden): void {
    if (isHidden === this.isHidden) return;
    this.isHidden = isHidden;
    this.bench.emit('change');
  }

  private lets(annotation: Annotation): boolean {
    const isUnsaved = this.bench.drafts.problemOf(annotation.id) !== null;
    const isNew = annotation.id < 0;
    const known = { refinement: this.bench.refinements.get(annotation.id), isUnsaved };
    return isUnsaved || isNew || passes(annotation, known, this.filter);
  }

  private changed(): void {
    localStorage.setItem(KEY, JSON.stringify({ filter: this.filter, look: this.look }));
    this.bench.emit('change');
  }
}
