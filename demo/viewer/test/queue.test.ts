import { describe, expect, it } from 'vitest';

import { begun, currentOf, passed, type Preview } from '../src/queue';
import { opened, type Outline } from '../src/session';

const origin = { image: 2, user: 3, annotation: null, shape: 'POLYGON((0 0,1 0,1 1,0 0))', label: 'Rectangle' };
const outline = (isDoubtful: boolean) => ({ location: '', isDoubtful }) as Outline;
const preview = (more: Partial<Preview>): Preview => ({ ...begun(opened(1, origin)), ...more });
const good = () => preview({ outline: outline(false) });
const doubtful = () => preview({ outline: outline(true) });
const asking = () => preview({ isAsking: true });
const failed = () => preview({ problem: { title: 'No', detail: '' } });
const nothing = () => preview({});

describe('previews in a row', () => {
  it('are accepted when the person draws on, if they were answered and not doubted', () => {
    const [first, newest] = [good(), asking()];
    expect(passed([first, newest])).toEqual([first]);
    expect(currentOf([first, newest])).toBe(newest);
  });

  it.each([['doubtful', doubtful], ['failed', failed], ['empty', nothing]])('wait for a decision where they are %s', (_, make) => {
    const [first, newest] = [make(), good()];
    expect(passed([first, newest])).toEqual([]);
    expect(currentOf([first, newest])).toBe(first);
    expect(first.isHeld).toBe(true);
  });

  it('are not accepted behind the back of a person who corrects what was doubted', () => {
    const [first, newest] = [doubtful(), good()];
    passed([first, newest]);
    first.outline = outline(false);
    expect(passed([first, newest])).toEqual([]);
    expect(currentOf([first, newest])).toBe(first);
  });

  it('leave the clicks to the newest while an older one is still being looked for', () => {
    const [first, newest] = [asking(), asking()];
    expect(currentOf([first, newest])).toBe(newest);
    expect(passed([first, newest])).toEqual([]);
    Object.assign(first, { isAsking: false, outline: outline(false) });
    expect(passed([first, newest])).toEqual([first]);
  });

  it('never take the newest by themselves, nor one that is being written', () => {
    expect(passed([good()])).toEqual([]);
    const writing = preview({ outline: outline(false), isAccepting: true });
    expect(passed([writing, good()])).toEqual([]);
    expect(currentOf([writing])).toBeNull();
    expect(currentOf([])).toBeNull();
  });

  it('do not show an older outline as the answer', () => {
    const first = preview({ outline: outline(false), isAsking: true });
    expect(passed([first, asking()])).toEqual([]);
  });
});
