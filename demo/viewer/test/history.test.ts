import { describe, expect, it } from 'vitest';

import { History } from '../src/history';

const entry = (command: number) => ({ command, label: `command ${command}` });
const agree = async () => 'done';

describe('history', () => {
  it('takes back the newest first, and does again what was taken back last', async () => {
    const history = new History();
    [1, 2, 3].forEach((command) => history.push(entry(command)));
    expect((await history.step('undo', agree))?.entry.command).toBe(3);
    expect((await history.step('undo', agree))?.entry.command).toBe(2);
    expect((await history.step('redo', agree))?.entry.command).toBe(2);
    expect(history.next('undo')?.command).toBe(2);
    expect(history.next('redo')?.command).toBe(3);
  });

  it('sends the command, and gives the answer', async () => {
    const history = new History();
    history.push(entry(7));
    expect(await history.step('undo', async ({ command }) => command * 2)).toEqual({ entry: entry(7), answer: 14 });
  });

  it('forgets what could be done again once something new is done', async () => {
    const history = new History();
    history.push(entry(1));
    await history.step('undo', agree);
    history.push(entry(2));
    expect(history.next('redo')).toBeUndefined();
  });

  it('stays as it is when Core refuses', async () => {
    const history = new History();
    history.push(entry(1));
    await expect(history.step('undo', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(history.next('undo')?.command).toBe(1);
    expect(history.next('redo')).toBeUndefined();
  });

  it('has nothing to take back at first, nor after it was cleared', async () => {
    const history = new History();
    expect(await history.step('undo', agree)).toBeNull();
    history.push(entry(1));
    history.clear();
    expect(await history.step('undo', agree)).toBeNull();
  });
});
