import { describe, expect, it } from 'vitest';

import { History } from '../src/history';

const entry = (...commands: number[]) => ({ commands, label: `commands ${commands}`, annotation: 1 });
const agree = async () => undefined;

/** Hears the commands; the ones given are refused. */
function core(...refused: number[]) {
  const heard: number[] = [];
  const send = async (command: number) => {
    if (refused.includes(command)) throw new Error('no');
    heard.push(command);
  };
  return { heard, send };
}

describe('history', () => {
  it('undoes the newest first, and redoes what was undone last', async () => {
    const history = new History();
    [1, 2, 3].forEach((command) => history.push(entry(command)));
    expect((await history.step('undo', agree))?.entry.commands).toEqual([3]);
    expect((await history.step('undo', agree))?.entry.commands).toEqual([2]);
    expect((await history.step('redo', agree))?.entry.commands).toEqual([2]);
    expect(history.next('undo')?.commands).toEqual([2]);
    expect(history.next('redo')?.commands).toEqual([3]);
  });

  it('undoes several commands of one deed backwards, and redoes them forwards', async () => {
    const history = new History();
    history.push(entry(7, 8, 9));
    const { heard, send } = core();
    expect(await history.step('undo', send)).toEqual({ entry: entry(7, 8, 9), left: 0, error: null });
    await history.step('redo', send);
    expect(heard).toEqual([9, 8, 7, 7, 8, 9]);
    expect(history.next('undo')).toEqual(entry(7, 8, 9));
  });

  it('forgets what could be redone once something new is done', async () => {
    const history = new History();
    history.push(entry(1));
    await history.step('undo', agree);
    history.push(entry(2));
    expect(history.next('redo')).toBeUndefined();
  });

  it('stays as it is when Core refuses the first command', async () => {
    const history = new History();
    history.push(entry(1));
    const { send } = core(1);
    expect(await history.step('undo', send)).toEqual({ entry: entry(1), left: 1, error: new Error('no') });
    expect(history.next('undo')).toEqual(entry(1));
    expect(history.next('redo')).toBeUndefined();
  });

  it('keeps what is left when Core refuses in the middle, and goes on from there', async () => {
    const history = new History();
    history.push(entry(7, 8, 9));
    expect(await history.step('undo', core(8).send)).toMatchObject({ left: 2, error: new Error('no') });
    expect(history.next('undo')?.commands).toEqual([7, 8]);
    expect(history.next('redo')?.commands).toEqual([9]);

    const { heard, send } = core();
    await history.step('undo', send);
    await history.step('redo', send);
    await history.step('redo', send);
    expect(heard).toEqual([8, 7, 7, 8, 9]);
  });

  it('keeps nothing that wrote nothing', () => {
    const history = new History();
    history.push(entry());
    expect(history.next('undo')).toBeUndefined();
  });

  it('has nothing to undo at first, nor after it was cleared', async () => {
    const history = new History();
    expect(await history.step('undo', agree)).toBeNull();
    history.push(entry(1));
    history.restore({ undo: [], redo: [] });
    expect(await history.step('undo', agree)).toBeNull();
  });
});
