/**
 * "Refine with SAM" against a real server over real HTTP; runs with the host's own runner, Jest or vitest.
 */
/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

import http from 'http';
import Vue from 'vue';
import {createLocalVue, mount} from '@vue/test-utils';

import RefineWithSam from '@/components/annotations/refine/RefineWithSam.vue';
import {host} from '@/components/annotations/refine/refine-host';
import {reverseRefinement} from '@/components/annotations/refine/reverse-refinement';

const BOX = 'POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0))';
const OUTLINE = 'POLYGON ((2 2, 7 2, 7 7, 2 7, 2 2))';
const is2026 = host.generation === '2026';
const emit = host.emit;
const bus = new Vue(); // of 2025.1

let server;
let asked;
let answers;
let hanging;
let stored;
let reversed;
let refusedStep;
let told;
let emitted;
let committed;
let panels = [];

/** What Core answers, by route; a function is called with what was sent. */
function core(request, response, body) {
  const headers = {
    'Access-Control-Allow-Origin': request.headers.origin || '*',
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Allow-Headers': 'content-type,x-requested-with,x-xsrf-token',
    'Access-Control-Allow-Methods': 'GET,POST,PUT,DELETE',
    'Content-Type': 'application/json'
  };
  if (request.method === 'OPTIONS') {
    response.writeHead(204, headers);
    response.end();
    return;
  }
  const refines = request.method === 'POST';
  if (refines) {
    asked.push({url: request.url, body: body ? JSON.parse(body) : null});
  }
  const step = /command\/(\d+)\/(undo|redo)/.exec(request.url);
  const number = /annotation\/(\d+)\.json/.exec(request.url);
  const read = () => step ? stepped(Number(step[1]), step[2]) : number ? stored(Number(number[1])) : hanging();
  const [status, data] = refines ? answers(asked.length) : read();
  if (status === 'drop') {
    request.socket.destroy();
    return;
  }
  response.writeHead(status, headers);
  response.end(JSON.stringify(data));
}

/** What Core answers to an undo or a redo: 88 wrote the outline, the others deleted points, one of them with a term. */
function stepped(command, verb) {
  if (command === refusedStep) {
    return [500, {errors: 'Not now'}];
  }
  reversed.push(`${verb} ${command}`);
  if (command === 88) {
    return [200, {collection: [{annotation: {id: 7, area: null, term: null}, callback: {method: 'be.cytomine.EditUserAnnotationCommand'}}]}];
  }
  const method = `be.cytomine.${verb === 'undo' ? 'Add' : 'Delete'}UserAnnotationCommand`;
  return [200, {collection: [{callback: {method: 'term'}}, {annotation: {id: command - 78}, callback: {method}}]}];
}

function annotation(more = {}) {
  return {
    id: 7, type: host.userType, user: 61, image: 5, slice: 6, project: 4, imageGroup: 33,
    area: 81, perimeter: 36, location: BOX, ...more
  };
}

function refined(more = {}) {
  const json = {...annotation(), class: 'be.cytomine.domain.ontology.UserAnnotation', location: OUTLINE, area: 25};
  delete json.imageGroup;
  delete json.type;
  const refinement = {changed: true, commands: [88, 89], 'points_deleted': [11], 'points_not_deleted': [], ...more};
  const command = more.command === undefined ? 88 : more.command;
  return [200, is2026 ? {...json, command, refinement} : {message: 'Done.', annotation: json, command, refinement}];
}

/** What the stock route of 2026 answers where Core lacks our addition. */
function stock(location) {
  const [status, json] = refined();
  ['command', 'refinement'].forEach(ours => delete json[ours]);
  return [status, {...json, location}];
}

/** The panel in a container of the viewer, whose second place shows an image; or in a list outside of it. */
function panel(props = {}, {inViewer = true, image = 5, activeImage = '1'} = {}) {
  const viewer = {activeImage, images: {0: {imageInstance: {id: 4}}, 1: {imageInstance: {id: image}}}};
  const wrapper = mount(RefineWithSam, {
    localVue: createLocalVue(),
    parentComponent: {data: () => inViewer ? {index: '1'} : {}},
    propsData: {annotation: annotation(), canEdit: true, ...props},
    mocks: {
      $t: key => `<${key}>`,
      $notify: note => told.push(note),
      $eventBus: bus,
      $store: {
        state: {currentUser: {user: {id: 61}}},
        getters: {
          'currentProject/currentViewer': viewer,
          'currentProject/imageModule': index => `module/${index}/`
        },
        commit: (mutation, payload) => committed.push([mutation, payload, host.Cytomine.instance.lastCommand])
      }
    }
  });
  panels.push(wrapper);
  return wrapper;
}

async function until(condition) {
  for (let attempt = 0; attempt < 3000 && !condition(); attempt++) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  expect(condition()).toBe(true);
}

async function press(wrapper) {
  const before = told.length;
  wrapper.find('button').trigger('click');
  await until(() => told.length > before);
  await wrapper.vm.$nextTick();
}

const events = name => emitted.filter(([event]) => event === name).map(([, payload]) => payload);
const hardReloads = () => events('reloadAnnotations').filter(({hard}) => hard);

describe('RefineWithSam.vue', () => {
  beforeAll(async () => {
    server = http.createServer((request, response) => {
      let body = '';
      request.on('data', part => {
        body += part;
      });
      request.on('end', () => core(request, response, body));
    });
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    is2026 ? new host.Cytomine(`${url}/api/`, `${url}/iam/`) : new host.Cytomine(url);
  });

  afterAll(() => new Promise(resolve => server.close(resolve)));

  beforeEach(() => {
    localStorage.clear();
    asked = [];
    told = [];
    emitted = [];
    committed = [];
    answers = () => refined();
    hanging = () => [200, {collection: []}];
    stored = id => [200, {...annotation({id}), location: OUTLINE, area: 25}];
    reversed = [];
    refusedStep = null;
    host.emit = (component, event, payload) => emitted.push([event, payload]);
  });

  afterEach(() => {
    panels.forEach(wrapper => wrapper.destroy());
    panels = [];
  });

  it('is shown for shapes with an area that one may edit, and for nothing else', () => {
    const shown = props => panel(props).find('button').exists();
    expect(shown({})).toBe(true);
    expect(shown({annotation: annotation({location: 'MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))'})})).toBe(true);
    expect(shown({annotation: annotation({location: undefined})})).toBe(true);
    expect(shown({canEdit: false})).toBe(false);
    expect(shown({annotation: annotation({area: 0})})).toBe(false);
    expect(shown({annotation: annotation({location: 'POINT (1 1)', area: 0})})).toBe(false);
    expect(shown({annotation: annotation({location: 'LINESTRING (1 1, 2 2)'})})).toBe(false);
    expect(shown({annotation: annotation({type: 'ReviewedAnnotation'})})).toBe(false);
  });

  it('speaks on the bus that the host listens to', () => {
    const heard = [];
    const listener = payload => heard.push(payload);
    const component = {$eventBus: {$emit: (event, payload) => event === 'editAnnotation' && listener(payload)}};
    if (host.bus) {
      host.bus.on('editAnnotation', listener);
    }
    emit(component, 'editAnnotation', 'x');
    expect(heard).toEqual(['x']);
  });

  it('asks Core once, however often it is pressed, and is busy meanwhile', async () => {
    const wrapper = panel();
    const button = wrapper.find('button');
    button.trigger('click');
    button.trigger('click');
    wrapper.vm.refine();
    await wrapper.vm.$nextTick();
    expect(button.attributes('disabled')).toBeDefined();
    expect(button.attributes('aria-busy')).toBe('true');
    expect(button.classes()).toContain('is-loading');
    await until(() => told.length > 0);
    await wrapper.vm.$nextTick();
    expect(asked).toHaveLength(1);
    expect(asked[0].url).toBe(is2026 ? '/api/annotations/7/refine' : '/api/annotation/7/sam');
    expect(asked[0].body).toEqual({keepPoints: false, doubtful: 'preview'});
    expect(button.attributes('disabled')).toBeUndefined();
    expect(told).toEqual([{type: 'success', text: '<notif-refine-sam-success>'}]);
  });

  it('stays busy in a new panel of the same annotation', async () => {
    const first = panel();
    first.find('button').trigger('click');
    first.destroy();
    expect(panel().find('button').attributes('disabled')).toBeDefined();
    expect(panel({annotation: annotation({id: 8})}).find('button').attributes('disabled')).toBeUndefined();
    await until(() => told.length > 0);
    await until(() => panel().find('button').attributes('disabled') === undefined);
  });

  it('puts the outline on the map and keeps what hangs on the annotation', async () => {
    await press(panel());
    const [after] = events('editAnnotation');
    expect(after.location).toBe(OUTLINE);
    expect(after.area).toBe(25);
    expect(after.imageGroup).toBe(33);
    expect(after.term).toEqual([]);
    expect(typeof after.clone).toBe('function');
    expect(events('reloadAnnotationCrop')).toHaveLength(1);
    expect(hardReloads()).toEqual([]);
  });

  it('shows the answer on the annotation it was asked for', async () => {
    const wrapper = panel();
    wrapper.find('button').trigger('click');
    await wrapper.setProps({annotation: annotation({id: 8, imageGroup: 99})});
    expect(wrapper.find('button').attributes('disabled')).toBeUndefined();
    await until(() => told.length > 0);
    expect(events('editAnnotation').map(({id, imageGroup}) => [id, imageGroup])).toEqual([[7, 33]]);
    expect(committed.map(([, {annot}]) => annot.id)).toEqual([7]);
  });

  it('brings the answer where it belongs, though the panel is gone', async () => {
    const wrapper = panel();
    wrapper.find('button').trigger('click');
    wrapper.destroy();
    await until(() => told.length > 0);
    expect(events('editAnnotation')).toHaveLength(1);
    expect(committed).toHaveLength(1);
  });

  it('can be undone in the viewer that shows the annotation', async () => {
    await press(panel());
    expect(committed).toHaveLength(1);
    const [mutation, {annot, type}, lastCommand] = committed[0];
    expect(mutation).toBe('module/1/addAction');
    expect(annot.id).toBe(7);
    expect(type).toBe(host.updateAction);
    expect(lastCommand).toEqual([88, 89]);
  });

  it('reloads the map and can still be undone where what hangs on the annotation cannot be read', async () => {
    hanging = () => [500, {}];
    const restored = host.restored;
    if (is2026) { // its stand-in asks nobody
      host.restored = () => Promise.reject(new Error('500'));
    }
    await press(panel());
    host.restored = restored;
    expect(told[0].type).toBe('success');
    expect(hardReloads()).toEqual([{idImage: 5, hard: true}]);
    expect(committed).toHaveLength(1);
  });

  it('lets a list outside of the viewer read again, and adds no undo there', async () => {
    const inList = panel({annotation: annotation({location: undefined})}, {inViewer: false});
    await press(inList);
    expect(inList.emitted('reload')).toHaveLength(1);
    const inViewer = panel();
    await press(inViewer);
    expect(inViewer.emitted('reload')).toBeUndefined();
    expect(committed).toHaveLength(1);
  });

  it('adds no undo where Core gave no command, or the viewer shows another image by then', async () => {
    await press(panel({}, {image: 6}));
    answers = () => refined({command: null, commands: []});
    await press(panel());
    expect(committed).toEqual([]);
    expect(events('editAnnotation')).toHaveLength(2);
  });

  it('is content with a service that tells one command only', async () => {
    answers = () => refined({commands: undefined});
    await press(panel());
    expect(committed[0][2]).toEqual([88]);
  });

  const statuses = [401, 403, 404, 409, 413, 422, 429, 502, 503, 504];
  it.each(statuses)('tells what to do about a %i, and works again afterwards', async status => {
    const problem = {type: 'urn:cytomine-refine:some', title: 'T', detail: 'Why it is so.'};
    answers = count => count === 1 ? [status, problem] : refined();
    const wrapper = panel();
    await press(wrapper);
    expect(told).toEqual([{type: 'error', text: `<notif-refine-sam-${status}> Why it is so.`}]);
    expect(emitted).toEqual([]);
    await press(wrapper);
    expect(told[1].type).toBe('success');
  });

  it('shows Core\'s own words, and has a word for anything else', async () => {
    answers = () => [403, {errors: {message: 'Not yours.'}}];
    await press(panel());
    answers = () => [404, {success: false, errors: 'Not there.'}];
    await press(panel());
    answers = () => [500, '<html>oops</html>'];
    await press(panel());
    expect(told.map(({text}) => text)).toEqual([
      '<notif-refine-sam-403> Not yours.', '<notif-refine-sam-404> Not there.',
      '<notif-refine-sam-error> <notif-refine-sam-loaded-again>'
    ]);
  });

  it('does not blame the user for a proxy that is closed to Core', async () => {
    answers = () => [403, {type: 'urn:cytomine-refine:not-public', detail: 'Core only.'}];
    await press(panel());
    expect(told.map(({text}) => text)).toEqual(['<notif-refine-sam-not-public> Core only.']);
  });

  it.each([
    [422, {type: 'urn:cytomine-refine:invalid-prompt', written: true}, true],
    [502, {type: 'urn:cytomine-refine:service-absent'}, true],
    [504, {type: 'urn:cytomine-refine:service-slow'}, true],
    [502, {type: 'urn:cytomine-refine:service-nonsense'}, true],
    [504, {type: 'about:blank'}, true],
    [502, {type: 'urn:cytomine-refine:service-absent', written: false}, false],
    [502, {type: 'urn:cytomine-refine:service-unreachable'}, false],
    [504, {type: 'urn:cytomine-refine:platform-timeout'}, false]
  ])('a %i of %o: shows what is stored: %s', async (status, problem, shows) => {
    answers = () => [status, problem];
    await press(panel());
    expect(told[0].text.endsWith('<notif-refine-sam-loaded-again>')).toBe(shows);
    expect(events('editAnnotation').map(({id, location, imageGroup}) => [id, location, imageGroup]))
      .toEqual(shows ? [[7, OUTLINE, 33]] : []);
    expect(events('reloadAnnotations')).toEqual(shows ? [{idImage: 5}] : []);
    expect(committed).toEqual([]);
  });

  it('warns with the service\'s own words, whatever the score', async () => {
    answers = () => refined({score: 0.1});
    await press(panel());
    answers = () => refined({score: 0.99, doubts: ['A demo model.', 'Small.']});
    await press(panel());
    expect(told).toEqual([
      {type: 'success', text: '<notif-refine-sam-success>'},
      {type: 'warn', text: '<notif-refine-sam-success> A demo model. Small.'}
    ]);
  });

  it('says where a doubtful outline was not written, and there is no map to show it on', async () => {
    answers = () => refined({changed: false, preview: 'p.1', doubtful: true, doubts: ['It touches the edge.'], commands: [], command: null});
    await press(panel({}, {inViewer: false}));
    expect(told).toEqual([{type: 'warn', text: '<notif-refine-sam-doubtful-unseen> It touches the edge.'}]);
    expect(emitted).toEqual([]);
    expect(committed).toEqual([]);
  });

  it('offers to correct only where there is a map', () => {
    const offers = options => panel({}, options).find('.refine-sam-correct').exists();
    expect(offers({inViewer: true})).toBe(true);
    expect(offers({inViewer: false})).toBe(false);
  });

  it('hears the shortcut of the image that has the focus, until the panel goes', async () => {
    const press = () => is2026 ? host.bus.emit('shortkeyEvent', 'tool-refine-sam') : bus.$emit('shortkeyEvent', 'tool-refine-sam');
    panel({}, {inViewer: false});
    panel({}, {activeImage: '0'});
    panel({canEdit: false});
    panel().destroy();
    press();
    const wrapper = panel({annotation: annotation({id: 8})}, {activeImage: 1});
    press();
    await until(() => told.length > 0);
    expect(asked.map(({url}) => url)).toEqual([is2026 ? '/api/annotations/8/refine' : '/api/annotation/8/sam']);
    wrapper.destroy();
  });

  describe('undo in the viewer', () => {
    const tools = () => panel().vm;
    const action = () => ({annot: annotation(), type: host.updateAction, command: [88, 89, 90]});

    it('brings outline and points back, and redo does them again', async () => {
      const back = await reverseRefinement(tools(), action(), true);
      expect(reversed).toEqual(['undo 90', 'undo 89', 'undo 88']);
      expect(events('addAnnotation').map(({id, area}) => [id, area])).toEqual([[12, 25], [11, 25]]);
      expect(events('editAnnotation').map(({id, area, term, imageGroup}) => [id, area, term, imageGroup])).toEqual([[7, 25, [], 33]]);
      expect(typeof events('editAnnotation')[0].clone).toBe('function');

      expect(await reverseRefinement(tools(), back, false)).toEqual(action());
      expect(reversed.slice(3)).toEqual(['redo 88', 'redo 89', 'redo 90']);
      expect(events('deleteAnnotation').map(({id, image}) => [id, image])).toEqual([[11, 5], [12, 5]]);
      expect(told).toEqual([]);
    });

    it('tells what is left when a step fails in the middle', async () => {
      refusedStep = 89;
      await expect(reverseRefinement(tools(), action(), true)).rejects.toThrow();
      expect(reversed).toEqual(['undo 90']);
      expect(told).toEqual([{type: 'warn', text: '<notif-refine-sam-steps-left> 2/3'}]);
      expect(events('addAnnotation').map(({id}) => id)).toEqual([12]);
    });

    it('leaves it to the host to tell that nothing was done', async () => {
      refusedStep = 90;
      await expect(reverseRefinement(tools(), action(), true)).rejects.toThrow();
      expect(told).toEqual([]);
    });
  });

  it('survives a server that is gone', async () => {
    answers = () => ['drop'];
    stored = () => ['drop'];
    const wrapper = panel();
    await press(wrapper);
    expect(told).toEqual([{type: 'error', text: '<notif-refine-sam-no-answer> <notif-refine-sam-look>'}]);
    expect(wrapper.find('button').attributes('disabled')).toBeUndefined();
  });

  it('takes deleted points off the map', async () => {
    await press(panel());
    expect(events('deleteAnnotation')).toEqual([{id: 11, type: host.userType, user: 61, image: 5, slice: 6, project: 4}]);
  });

  it('says where nothing was found, or points were left', async () => {
    const wrapper = panel();
    answers = () => refined({changed: false, command: null, commands: [], 'points_deleted': []});
    await press(wrapper);
    answers = () => refined({'points_not_deleted': [12]});
    await press(wrapper);
    expect(told.map(({type, text}) => [type, text])).toEqual([
      ['info', '<notif-refine-sam-nothing-found>'],
      ['warn', '<notif-refine-sam-points-left>']
    ]);
    expect(events('editAnnotation')).toHaveLength(1);
  });

  if (is2026) {
    it('lives with the stock route: nothing was found where the same shape comes back, and there is no undo', async () => {
      answers = () => stock('POLYGON((0.0 0,9 0,9 9,0 9,0 0))');
      await press(panel());
      expect(told).toEqual([{type: 'info', text: '<notif-refine-sam-nothing-found>'}]);
      expect(emitted).toEqual([]);
      answers = () => stock(OUTLINE);
      await press(panel());
      expect(told[1]).toEqual({type: 'success', text: '<notif-refine-sam-success>'});
      expect(events('editAnnotation').map(({location}) => location)).toEqual([OUTLINE]);
      expect(committed).toEqual([]);
    });
  } else {
    it('remembers whether points are to be kept', async () => {
      const wrapper = panel();
      await press(wrapper);
      wrapper.find('input').setChecked();
      await press(wrapper);
      expect(asked.map(({body}) => body.keepPoints)).toEqual([false, true]);
      expect(panel().find('input').element.checked).toBe(true);
    });
  }
});
