/** The steps of a refine: which one is likely running, and how long each took. */

export const STEPS = {
  validity: 'Check the annotation',
  box: 'Box prompt',
  points: 'Point prompts',
  window: 'Read the window',
  encode: 'Image encoder',
  decode: 'Mask decoder',
  postprocess: 'Clean and outline',
  update: 'Write back',
} as const;

export type Step = keyof typeof STEPS;
export const stepNames = Object.keys(STEPS) as Step[];

/**
 * Tell the step that runs after some time, judging by the last time. The service answers once, at the end, so this is an
 * expectation; whatever takes longer than that is shown as the last step that was due, until the answer is there.
 */
export function expectedStep(elapsedMs: number, lastMs: Record<string, number>): Step {
  let due = 0;
  for (const step of stepNames.slice(0, -1)) {
    due += lastMs[step] ?? 0;
    if (elapsedMs < due) return step;
  }
  return stepNames.at(-1)!;
}

export function durationText(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`;
}
