/** The clicks on one annotation, apart from any map. */
/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

import {BACKGROUND, ClickSession, OBJECT} from '@/components/annotations/refine/click-session';

const SQUARE = {type: 'Polygon', coordinates: [[[0, 0], [1, 0], [1, 1], [0, 0]]]};

let asked;
let complaints;
let waiting;

function outcome(name, more = {}) {
  return {preview: name, geometry: {...SQUARE, name}, proposals: [], proposal: 0, ...more};
}

/** A session whose previews come when the test says so. */
function session(prompts = {}, answer = null) {
  const ask = options => new Promise((resolve, reject) => {
    asked.push(options);
    waiting.push({resolve, reject});
  });
  return new ClickSession({ask, complain: error => complaints.push(error)}, prompts, answer);
}

async function come(answer) {
  const {resolve, reject} = waiting.shift();
  answer instanceof Error ? reject(answer) : resolve(answer);
  await new Promise(done => setTimeout(done));
}

describe('ClickSession', () => {
  beforeEach(() => {
    [asked, complaints, waiting] = [[], [], []];
  });

  it('asks for a preview with what it was begun with', async () => {
    const clicks = session({box: [1, 2, 3, 4], points: 'ignore'});
    clicks.preview();
    expect(asked).toEqual([{box: [1, 2, 3, 4], points: 'ignore', dryRun: true, clicks: []}]);
    expect(clicks.canAccept).toBe(false);
    expect(clicks.geometry).toBe(null);
    await come(outcome('a'));
    expect(clicks.geometry.name).toBe('a');
    expect(clicks.canAccept).toBe(true);
  });

  it('shows what is there already, and asks nobody', () => {
    const clicks = session({}, outcome('doubtful'));
    expect(clicks.canAccept).toBe(true);
    expect(clicks.geometry.name).toBe('doubtful');
    expect(asked).toEqual([]);
  });

  it('says object or background, as the toggle stands, unless a click says it itself', async () => {
    const clicks = session({}, outcome('a'));
    clicks.add(1, 2);
    await come(outcome('b'));
    clicks.toggle();
    clicks.add(3, 4);
    await come(outcome('c'));
    clicks.add(5, 6, OBJECT);
    await come(outcome('d'));
    expect(asked[2].clicks).toEqual([{x: 1, y: 2, label: OBJECT}, {x: 3, y: 4, label: BACKGROUND}, {x: 5, y: 6, label: OBJECT}]);
    clicks.toggle();
    expect(clicks.label).toBe(OBJECT);
  });

  it('takes one click back at a time, and brings a removed one back', async () => {
    const clicks = session({}, outcome('a'));
    for (const x of [1, 2]) {
      clicks.add(x, 0);
      await come(outcome(`after ${x}`));
    }
    clicks.remove(0);
    await come(outcome('one'));
    expect(clicks.clicks.map(({x}) => x)).toEqual([2]);
    clicks.undo();
    await come(outcome('two'));
    expect(clicks.clicks.map(({x}) => x)).toEqual([1, 2]);
    clicks.undo();
    await come(outcome('one again'));
    clicks.undo();
    await come(outcome('none'));
    expect(clicks.clicks).toEqual([]);
    expect(clicks.canUndo).toBe(false);
    await clicks.undo();
    expect(asked).toHaveLength(6);
  });

  it('lets the latest click win: one is asked at a time, and what is out of date is dropped', async () => {
    const clicks = session({}, outcome('a'));
    clicks.add(1, 0);
    clicks.add(2, 0);
    clicks.add(3, 0);
    expect(asked.map(options => options.clicks.length)).toEqual([1]);
    await come(outcome('too late'));
    expect(clicks.geometry.name).toBe('a');
    expect(clicks.canAccept).toBe(false);
    expect(asked.map(options => options.clicks.length)).toEqual([1, 3]);
    await come(outcome('latest'));
    expect(clicks.geometry.name).toBe('latest');
    expect(clicks.canAccept).toBe(true);
  });

  it('goes through the proposals, shows each at once, and keeps the choice for further clicks', async () => {
    const proposals = [0, 1, 2].map(index => ({index, geometry: index === 1 ? null : {name: `proposal ${index}`}}));
    const clicks = session({}, outcome('alone', {proposals, proposal: 'single'}));
    expect(clicks.choice.all.map(({index}) => index)).toEqual(['single', 0, 2]);
    expect(clicks.choice.at).toBe(0);
    clicks.next();
    expect(asked[0].proposal).toBe(0);
    expect(clicks.geometry.name).toBe('proposal 0');
    expect(clicks.canAccept).toBe(false);
    await come(outcome('zero', {proposals, proposal: 0}));
    expect(clicks.geometry.name).toBe('zero');
    clicks.next();
    await come(outcome('two', {proposals, proposal: 2}));
    clicks.add(1, 1);
    expect(asked[2].proposal).toBe(2);
    await come(outcome('two, with a click', {proposals, proposal: 2}));
    clicks.next();
    expect(asked[3].proposal).toBe('single');
    expect(clicks.geometry.name).toBe('two, with a click'); // the single one is not known for this click
    await come(outcome('alone, with a click', {proposals, proposal: 'single'}));
    expect(clicks.choice.at).toBe(0);
    clicks.next();
    await come(outcome('zero', {proposals, proposal: 0}));
    clicks.next();
    await come(outcome('two', {proposals, proposal: 2}));
    clicks.next();
    expect(clicks.geometry.name).toBe('alone, with a click');
  });

  it('has nothing to go through where nothing is proposed', async () => {
    const clicks = session({}, outcome('a'));
    await clicks.next();
    expect(asked).toEqual([]);
  });

  it('cannot accept where nothing was found, and goes on', async () => {
    const clicks = session({}, outcome('a'));
    clicks.add(1, 0);
    await come(outcome(null));
    expect(clicks.canAccept).toBe(false);
    expect(clicks.geometry).toBe(null);
    clicks.add(2, 0);
    await come(outcome('b'));
    expect(clicks.canAccept).toBe(true);
  });

  it('steps back to the clicks of the outline on the screen where a preview does not come', async () => {
    const clicks = session({}, outcome('a'));
    clicks.add(1, 0);
    await come(outcome('b'));
    clicks.add(2, 0);
    clicks.add(3, 0);
    await come(new Error('out of date, nobody needs to know'));
    await come(new Error('busy'));
    expect(complaints.map(({message}) => message)).toEqual(['busy']);
    expect(clicks.clicks.map(({x}) => x)).toEqual([1]);
    expect(clicks.geometry.name).toBe('b');
    expect(clicks.canAccept).toBe(true);
    clicks.undo();
    await come(outcome('a again'));
    expect(clicks.clicks).toEqual([]);
  });

  it('writes exactly what is on the screen, once, and takes no click meanwhile', async () => {
    const clicks = session({box: [1, 2, 3, 4]}, outcome('a'));
    clicks.add(1, 0);
    await come(outcome('b'));
    const written = clicks.accept({keepPoints: true});
    expect(asked[1]).toEqual({keepPoints: true, preview: 'b'});
    expect([clicks.canAccept, clicks.canUndo]).toEqual([false, false]);
    clicks.add(2, 0);
    clicks.next();
    clicks.undo();
    expect(asked).toHaveLength(2);
    await come({changed: true});
    expect(await written).toEqual({changed: true});
  });

  it('can be accepted again where the write was refused', async () => {
    const clicks = session({}, outcome('a'));
    const written = clicks.accept({});
    const refused = written.catch(({message}) => message);
    await come(new Error('409'));
    expect(await refused).toBe('409');
    expect(clicks.canAccept).toBe(true);
  });

  it('drops whatever comes after its end', async () => {
    const clicks = session({}, outcome('a'));
    clicks.add(1, 0);
    clicks.add(2, 0);
    clicks.close();
    expect(clicks.abort.signal.aborted).toBe(true);
    await come(new Error('aborted'));
    expect(complaints).toEqual([]);
    expect(asked).toHaveLength(1);
    await clicks.add(3, 0);
    expect(asked).toHaveLength(1);
  });
});
