/** The terms of the project's ontology: which one new annotations get, their colours, and changing that of an annotation. */

import type { Annotation, Term } from './types';
import type { Workbench } from './workbench';

/** Of what has no term; as Cytomine's own UI has it, no colour of any term. */
export const PLAIN = '#2457d6';

/** The colour of a term as `#rrggbb`; what is no colour counts as none. */
export const colourOf = ({ color }: Pick<Term, 'color'>): string => {
  const [, r, g, b] = /^#(.)(.)(.)$/.exec(color ?? '') ?? [];
  const long = r ? `#${r}${r}${g}${g}${b}${b}` : color;
  return /^#[0-9a-f]{6}$/i.test(long ?? '') ? long.toLowerCase() : PLAIN;
};

export class Terms {
  /** What new shapes get; null for none. */
  private chosenId: number | null = null;

  constructor(private readonly bench: Workbench) {}

  /** In the order of their names. */
  get all(): Term[] {
    return [...this.bench.terms.values()].sort((one, other) => one.name.localeCompare(other.name));
  }

  /** The term of new shapes, as long as the project has it. */
  get chosen(): number | null {
    return this.chosenId !== null && this.bench.terms.has(this.chosenId) ? this.chosenId : null;
  }

  /** The same as Core takes it. */
  get ofNew(): number[] {
    return this.chosen === null ? [] : [this.chosen];
  }

  choose(id: number | null): void {
    this.chosenId = id;
    keep(this.bench.about.project, id);
    this.bench.emit('change');
  }

  /** Take up the choice of the last visit. */
  recall(): void {
    this.chosenId = kept(this.bench.about.project);
  }

  /** Of an annotation's first term. */
  colourOf({ term }: Annotation): string {
    const first = this.bench.terms.get(term[0] ?? -1);
    return first ? colourOf(first) : PLAIN;
  }

  namesOf = (ids: readonly number[]): string => ids.map((id) => this.bench.terms.get(id)?.name ?? String(id)).join(', ');

  /**
   * Give an annotation one term in place of those it has. The new one is set first: if anything fails on the way, it has a
   * term too many rather than none.
   */
  async change(annotation: number, term: number | null): Promise<void> {
    const { bench } = this;
    await bench.trying(async () => {
      const number = bench.drafts.numberOf(annotation);
      if (number === null) return;
      const commands: number[] = [];
      try {
        await this.relink(number, term, commands);
      } finally {
        bench.undos.history.push({ commands, label: 'Term changed', annotation: number });
        bench.put(await bench.api.annotation(number));
      }
    });
  }

  private async relink(annotation: number, term: number | null, commands: number[]): Promise<void> {
    const { api, user } = this.bench;
    const links = await api.termsOf(annotation);
    const did = (command: number | null): void => void (command !== null && commands.push(command));
    if (term !== null && !links.some((link) => link.term === term)) did(await api.addTerm(annotation, term));
    for (const link of links) {
      if (link.term !== term) did(await api.removeTerm(link, user.id));
    }
  }
}

const keyOf = (project: number): string => `term of project ${project}`;

function keep(project: number, id: number | null): void {
  if (id === null) localStorage.removeItem(keyOf(project));
  else localStorage.setItem(keyOf(project), String(id));
}

function kept(project: number): number | null {
  const text = localStorage.getItem(keyOf(project));
  return text === null ? null : Number(text);
}
