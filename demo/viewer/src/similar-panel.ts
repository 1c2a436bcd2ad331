/** The controls of a search: examples, region, progress, slider, and what becomes of the proposals. */

import { some } from './accept-words';
import { byId, el, icon, icons, panelToTop } from './dom';
import { nameOf } from './panel';
import { RAMP } from './proposals-paint';
import { BINS, shareOf } from './proposals-set';
import type { Kind, Similar, Where } from './similar';
import { leftText, proposalText, searchText } from './similar-words';
import { soon } from './soon';
import type { Workbench } from './workbench';

export class SimilarPanel {
  private readonly threshold = byId<HTMLInputElement>('similar-threshold');
  private readonly term = byId<HTMLSelectElement>('similar-term');
  private readonly where = byId<HTMLSelectElement>('similar-where');

  constructor(
    private readonly bench: Workbench,
    private readonly similar: Similar,
    /** Lets a person draw a region. */
    private readonly drawRegion: () => void,
  ) {
    this.decorate();
    const deeds: Record<string, () => void> = {
      'similar-cancel': () => similar.cancel(),
      'similar-again': () => void similar.search(),
      'similar-go-on': () => void similar.goOn(),
      'similar-close': () => similar.close(),
      'similar-accept': () => this.accept(),
      'similar-previous': () => similar.step(-1),
      'similar-next': () => similar.step(1),
      'similar-drop': () => similar.focus && similar.toggle(similar.focus),
      'pick-like': () => similar.pickBy(1),
      'pick-unlike': () => similar.pickBy(-1),
    };
    for (const [id, deed] of Object.entries(deeds)) byId(id).addEventListener('click', deed);
    this.threshold.addEventListener('input', () => similar.sift(Number(this.threshold.value) / 100));
    this.where.addEventListener('change', () => {
      if (this.where.value === 'drawn') this.drawRegion();
      else similar.lookIn(this.where.value as Where);
    });
    const show = soon(() => this.show());
    bench.on('proposals', show);
    bench.on('batch', show);
  }

  private decorate(): void {
    const drawings: Record<string, string> = {
      'similar-previous': icons.previous,
      'similar-next': icons.following,
      'similar-accept': icons.accept,
      'similar-close': icons.close,
      'pick-like': icons.plus,
      'pick-unlike': icons.minus,
    };
    for (const [id, drawing] of Object.entries(drawings)) byId(id).prepend(icon(drawing));
  }

  private accept(): void {
    const { similar, bench } = this;
    const { chosen } = similar.set;
    if (!chosen.length || bench.accepts.current) return;
    const terms = this.term.value.split(' ').filter(Boolean).map(Number);
    void bench.accepts.accept(chosen, terms);
    similar.close();
  }

  private show(): void {
    const { similar } = this;
    const isNew = byId('similar').hidden && similar.isOpen;
    byId('similar').hidden = !similar.isOpen;
    document.body.classList.toggle('searching', similar.isOpen);
    if (!similar.isOpen) return;
    if (isNew) {
      panelToTop();
      this.offerTerms();
    }
    const hasExamples = similar.examples.size > 0;
    byId('similar-title').textContent = hasExamples ? 'Others like this' : 'Everything here';
    this.showSearch();
    this.showExamples();
    this.showSift();
    this.showEnds();
  }

  private showSearch(): void {
    const { isAsking, isBroken, progress, isOld, problem } = this.similar;
    const text = searchText(this.similar);
    if (byId('similar-said').textContent !== text) byId('similar-said').textContent = text;
    byId('similar').classList.toggle('failed', problem !== null && !isAsking);
    byId('similar-run').hidden = !isAsking;
    byId('similar-asks').hidden = isAsking;
    byId('similar-again').hidden = isAsking;
    byId('similar-go-on').hidden = isAsking || !isBroken;
    byId('similar-again').classList.toggle('primary', isOld);
    const bar = byId<HTMLProgressElement>('similar-progress');
    if (progress.tiles < 2) bar.removeAttribute('value');
    else [bar.max, bar.value] = [progress.tiles, progress.tile - 1];
  }

  private showExamples(): void {
    const { similar } = this;
    byId('similar-examples').replaceChildren(...[...similar.examples].map(([id, kind]) => this.example(id, kind)));
    for (const [id, kind] of [['pick-like', 1], ['pick-unlike', -1]] as const) {
      byId(id).setAttribute('aria-pressed', String(similar.picking === kind));
    }
    const places: [Where, string][] = [
      ['view', 'This view'],
      ...(similar.within === null ? [] : [['shape', 'The selected shape'] as [Where, string]]),
      ['drawn', similar.drawn ? 'The region you drew' : 'A region you draw…'],
      ['slide', 'The whole slide'],
    ];
    this.where.replaceChildren(...places.map(([value, text]) => el('option', { value }, text)));
    this.where.value = similar.where;
  }

  private example(id: number, kind: Kind): HTMLElement {
    const annotation = this.bench.annotations.get(id);
    const name = annotation ? nameOf(annotation, this.bench) : String(id);
    const remove = `Do not use ${name}`;
    return el(
      'li',
      { class: kind > 0 ? 'like' : 'unlike' },
      icon(kind > 0 ? icons.plus : icons.minus),
      el('span', {}, kind > 0 ? name : `Not like ${name}`),
      el('button', { type: 'button', class: 'bare', 'aria-label': remove, title: remove, onclick: () => this.similar.drop(id) }, icon(icons.close)),
    );
  }

  private showSift(): void {
    const { set, focus } = this.similar;
    byId('similar-sift').hidden = set.all.length === 0;
    const { all, shown } = set.counts;
    byId('similar-measure').textContent = set.measure;
    byId('similar-least').textContent = set.threshold > set.floor ? `at least ${set.threshold.toFixed(2)}` : 'all';
    byId('similar-shown').textContent = `${shown.toLocaleString('en')} of ${all.toLocaleString('en')} shown`;
    byId('similar-left').textContent = leftText(this.similar);
    this.threshold.min = String(Math.round(set.floor * 100));
    this.threshold.value = String(Math.round(set.threshold * 100));
    this.threshold.setAttribute('aria-valuetext', `${set.measure} at least ${set.threshold.toFixed(2)}: ${shown} of ${all} shown`);
    this.drawHistogram();
    const drop = byId<HTMLButtonElement>('similar-drop');
    drop.disabled = !focus;
    drop.textContent = focus && set.leftOut(focus) ? 'Take back' : 'Drop';
    const text = focus ? proposalText(focus, set.leftOut(focus), this.bench.image?.physicalSizeX ?? null) : '';
    if (byId('similar-focus').textContent !== text) byId('similar-focus').textContent = text;
  }

  private drawHistogram(): void {
    const { set } = this.similar;
    const counts = set.histogram;
    const most = Math.max(1, ...counts);
    const from = shareOf(set.threshold, set.floor) * BINS;
    const bars = counts.map((count, i) => {
      const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      const height = count ? Math.max(0.5, (10 * count) / most) : 0;
      const size = { x: i + 0.08, y: 10 - height, width: 0.84, height };
      for (const [name, value] of Object.entries(size)) bar.setAttribute(name, String(value));
      bar.setAttribute('fill', RAMP[Math.floor((i / BINS) * RAMP.length)]!);
      if (i + 0.5 < from) bar.setAttribute('opacity', '0.25');
      return bar;
    });
    byId('similar-histogram').replaceChildren(...bars);
  }

  private showEnds(): void {
    const { chosen } = this.similar.set.counts;
    const accept = byId<HTMLButtonElement>('similar-accept');
    accept.disabled = chosen === 0 || this.bench.accepts.current !== null;
    accept.lastChild!.textContent = chosen ? `Accept ${chosen.toLocaleString('en')}` : 'Accept';
    accept.title = `Store ${some(chosen, 'annotation')} in Cytomine`;
  }

  /** The examples' terms, if they have any, else none. */
  private offerTerms(): void {
    const { bench, similar } = this;
    const [first] = similar.chosenExamples.like;
    const terms = first === undefined ? [] : (bench.annotations.get(first)?.term ?? []);
    const names = (ids: number[]): string => ids.map((id) => bench.terms.get(id)?.name ?? String(id)).join(', ');
    const choices: [string, string][] = [['', 'No term'], ...[...bench.terms.values()].map(({ id, name }): [string, string] => [String(id), name])];
    if (terms.length > 1) choices.splice(1, 0, [terms.join(' '), names(terms)]);
    this.term.replaceChildren(...choices.map(([value, text]) => el('option', { value }, text)));
    this.term.value = terms.join(' ');
  }
}
