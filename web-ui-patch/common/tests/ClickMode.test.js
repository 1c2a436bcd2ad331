/**
 * Correcting with clicks on the host's OpenLayers, against a real server over real HTTP; runs with Jest and with vitest.
 */
/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

import http from 'http';
import Vue from 'vue';
import {createLocalVue, mount} from '@vue/test-utils';
import Interaction from 'ol/interaction/Interaction';
import VectorLayer from 'ol/layer/Vector';
import Map from 'ol/Map';
import View from 'ol/View';

import RefineWithSam from '@/components/annotations/refine/RefineWithSam.vue';
import {host} from '@/components/annotations/refine/refine-host';

const BOX = 'POLYGON ((10 10, 90 10, 90 90, 10 90, 10 10))';
const OUTLINE = 'POLYGON ((20 20, 70 20, 70 70, 20 70, 20 20))';
const is2026 = host.generation === '2026';
const emit = host.emit;

let server;
let asked; // bodies, in the order in which they came
let answers; // what the service says to a body
let held; // answers that wait, if the test wants it
let told;
let emitted;
let committed;
let bus;
let owner;
let map;
let hostHeard;
const layers = new Set(); // those that are laid over a map

/** What the service tells of a preview: an outline for each number of clicks, and three proposals. */
function previewed({clicks = [], proposal}) {
  const square = size => ({type: 'Polygon', coordinates: [[[0, 0], [size, 0], [size, size], [0, size], [0, 0]]]});
  return [200, {
    changed: false, preview: `preview ${clicks.length} ${proposal}`, score: 0.8, confidence: 0.731, calibrated: true, doubtful: false, doubts: [],
    commands: [], 'points_deleted': [], 'points_not_deleted': [], box: [10, 10, 90, 90], proposal: proposal === undefined ? 'single' : proposal,
    proposals: [0, 1, 2].map(index => ({index, score: 0.5, 'area_px0': 9, geometry: square(index + 1)})),
    geojson: {type: 'Feature', geometry: square(40 + clicks.length)}, model: {name: 'sam2.1_hiera_b+'}
  }];
}

function written() {
  return [200, {
    changed: true, commands: [88, 89], 'points_deleted': [11], 'points_not_deleted': [], doubts: [], preview: null, box: [5, 5, 95, 95], location: OUTLINE
  }];
}

function says(body) {
  return body.preview || !body.dryRun ? written() : previewed(body);
}

function core(request, response, text) {
  const headers = {
    'Access-Control-Allow-Origin': request.headers.origin || '*',
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Allow-Headers': 'content-type,x-requested-with,x-xsrf-token',
    'Access-Control-Allow-Methods': 'GET,POST',
    'Content-Type': 'application/json'
  };
  const end = (status, data) => {
    response.writeHead(status, headers);
    response.end(JSON.stringify(data));
  };
  if (request.method === 'OPTIONS') {
    end(204);
  } else if (request.method === 'GET') {
    end(200, /annotation\/\d+\.json/.test(request.url) ? annotation({location: OUTLINE}) : {collection: []});
  } else if (request.url.includes('/0/')) {
    end(400, {type: 'urn:cytomine-refine:invalid-request'});
  } else {
    const body = JSON.parse(text);
    asked.push(body);
    const answer = () => {
      const [status, refinement] = answers(body);
      const json = annotation({location: refinement.location || BOX});
      const all = is2026 ? {...json, command: 88, refinement} : {message: '', annotation: json, command: 88, refinement};
      end(status, status === 200 ? all : refinement);
    };
    held ? held.push(answer) : answer();
  }
}

function annotation(more = {}) {
  return {id: 7, type: host.userType, user: 61, image: 5, slice: 6, project: 4, area: 81, location: BOX, ...more};
}

/** jsdom draws nothing; OpenLayers is content with a context that takes everything. */
function drawNowhere() {
  HTMLCanvasElement.prototype.getContext = function() {
    const canvas = this;
    return new Proxy({canvas}, {get: (target, name) => name in target ? target[name] : () => ({width: 1})});
  };
}

/** Note what is laid over a map; the map itself does not tell. */
function noteLayers() {
  const {setMap} = VectorLayer.prototype;
  VectorLayer.prototype.setMap = function(on) {
    on ? layers.add(this) : layers.delete(this);
    setMap.call(this, on);
  };
}

/** A map of 100 x 100 pixels, one for each of the slide. */
function hostMap() {
  const target = document.createElement('div');
  document.body.appendChild(target);
  const made = new Map({target, controls: [], view: new View({center: [50, 50], resolution: 1})});
  made.setSize([100, 100]);
  made.renderSync();
  hostHeard = [];
  made.addInteraction(new Interaction({
    handleEvent: ({type}) => {
      hostHeard.push(type);
      return true;
    }
  }));
  return made;
}

/** The host's container of a map, and in it the panel of an annotation. */
function viewer() {
  map = hostMap();
  const VlMap = {render: h => h('div'), created() {
    this.$map = map;
  }};
  const CytomineImage = {
    data: () => ({
      index: '1', image: {id: 5}, sliceIds: [6], activeTool: 'select', activeEditTool: null, imageModule: 'module/1/', shown: true,
      annotation: annotation()
    }),
    render(h) {
      const panel = this.shown && h(RefineWithSam, {props: {annotation: this.annotation, canEdit: true}});
      return h('div', [h(VlMap, {ref: 'map'}), panel]);
    }
  };
  bus = new Vue();
  owner = mount(CytomineImage, {
    localVue: createLocalVue(),
    attachTo: document.body,
    mocks: {
      $t: key => `<${key}>`,
      $notify: note => told.push(note),
      $eventBus: bus,
      $store: {
        state: {currentUser: {user: {id: 61}}},
        getters: {
          'currentProject/currentViewer': {activeImage: '1', images: {1: {imageInstance: {id: 5}}}},
          'currentProject/imageModule': index => `module/${index}/`
        },
        commit: (mutation, payload) => {
          committed.push([mutation, payload, host.Cytomine.instance.lastCommand]);
          if (mutation.endsWith('activateEditTool')) {
            owner.vm.activeEditTool = payload;
          }
        },
        dispatch: (action, payload) => {
          committed.push([action, payload]);
          owner.vm.activeTool = payload;
        }
      }
    }
  });
  return owner;
}

async function until(condition) {
  for (let attempt = 0; attempt < 3000 && !condition(); attempt++) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  expect(condition()).toBe(true);
}

const bar = () => document.querySelector('.refine-sam-bar');
const inBar = name => bar().querySelector(`.refine-sam-${name}`);
const marks = () => [...layers]
  .flatMap(layer => layer.getSource().getFeatures())
  .map(feature => feature.getGeometry());
const clicked = () => marks().filter(mark => mark.getType() === 'Point').map(mark => mark.getCoordinates());
const outline = () => marks().filter(mark => mark.getType() === 'Polygon').map(mark => mark.getArea());
const acceptable = () => bar() !== null && !inBar('accept').disabled;
const events = name => emitted.filter(([event]) => event === name).map(([, payload]) => payload);

/** Press and let go a button of the mouse on the map, at a place of the slide. */
function click(x, y, {button = 0, altKey = false} = {}) {
  const event = (type, more = {}) => new MouseEvent(type, {clientX: x, clientY: 100 - y, button, altKey, bubbles: true, cancelable: true, ...more});
  const target = map.getViewport();
  target.dispatchEvent(event('mousedown'));
  const menu = event('contextmenu');
  if (button === 2) {
    target.dispatchEvent(menu);
  }
  document.dispatchEvent(event('mouseup'));
  target.dispatchEvent(event('mouseup'));
  return menu;
}

function key(name, {target = document.body, ...more} = {}) {
  const event = new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true, ...more});
  target.dispatchEvent(event);
  return event;
}

/** Press "Correct", and wait for the first preview. */
async function correcting() {
  viewer();
  owner.find('.refine-sam-correct').trigger('click');
  await until(acceptable);
}

async function settled(count) {
  await until(() => asked.length === count && acceptable());
}

describe('Correcting with clicks', () => {
  beforeAll(async () => {
    drawNowhere();
    noteLayers();
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
    [asked, told, emitted, committed] = [[], [], [], []];
    held = null;
    answers = says;
    host.emit = (component, event, payload) => {
      emitted.push([event, payload]);
      emit(component, event, payload);
    };
  });

  afterEach(() => {
    owner.destroy();
    map.setTarget(null);
    document.body.innerHTML = '';
  });

  it('shows a preview at once, in its own layer, and tells how sure the service is, and of which model', async () => {
    await correcting();
    expect(asked).toEqual([{box: [10, 10, 90, 90], dryRun: true, clicks: [], points: 'ignore'}]);
    expect(outline()).toEqual([1600]);
    expect(inBar('quality').textContent).toBe('<refine-sam-confidence> 73 % · <refine-sam-model> sam2.1_hiera_b+');
    expect(owner.find('.refine-sam-correct').attributes('disabled')).toBeDefined();
  });

  it('calls what is not calibrated a score, and tells doubts in the service\'s words', async () => {
    answers = body => {
      const [status, answer] = previewed(body);
      return [status, {...answer, calibrated: false, confidence: 0.8, doubts: ['It touches the edge.', 'A demo model.']}];
    };
    await correcting();
    expect(inBar('quality').textContent).toContain('<refine-sam-score> 80 %');
    expect([...inBar('doubts').children].map(({textContent}) => textContent)).toEqual(['It touches the edge.', 'A demo model.']);
  });

  it('takes object clicks, and background clicks by Alt, by the right button and by the toggle', async () => {
    await correcting();
    click(30, 30);
    await settled(2);
    click(80, 30, {altKey: true});
    await settled(3);
    const menu = click(30, 80, {button: 2});
    expect(menu.defaultPrevented).toBe(true);
    await settled(4);
    inBar('background').click();
    await owner.vm.$nextTick();
    expect(inBar('background').getAttribute('aria-pressed')).toBe('true');
    click(60, 80);
    await settled(5);
    expect(asked[4].clicks).toEqual([
      {x: 30, y: 30, label: 1}, {x: 80, y: 30, label: 0}, {x: 30, y: 80, label: 0}, {x: 60, y: 80, label: 0}
    ]);
    expect(clicked()).toEqual([[30, 30], [80, 30], [30, 80], [60, 80]]);
    expect(outline()).toEqual([44 * 44]);
  });

  it('does not count a finger that stays twice', async () => {
    await correcting();
    const target = map.getViewport();
    const event = type => new MouseEvent(type, {clientX: 30, clientY: 30, bubbles: true, cancelable: true});
    target.dispatchEvent(event('mousedown'));
    target.dispatchEvent(event('contextmenu'));
    document.dispatchEvent(event('mouseup'));
    await settled(2);
    expect(asked[1].clicks).toEqual([{x: 30, y: 70, label: 0}]);
  });

  it('removes the prompt that is clicked, and takes one click back', async () => {
    await correcting();
    click(30, 30);
    await settled(2);
    click(60, 60);
    await settled(3);
    click(34, 33);
    await settled(4);
    expect(asked[3].clicks).toEqual([{x: 60, y: 60, label: 1}]);
    inBar('undo-click').click();
    await settled(5);
    expect(clicked()).toEqual([[30, 30], [60, 60]]);
    expect(key('z').defaultPrevented).toBe(true);
    await settled(6);
    expect(clicked()).toEqual([[30, 30]]);
  });

  it('goes through the proposals, by button and by Tab', async () => {
    await correcting();
    expect(inBar('next-proposal').textContent).toContain('1/4');
    inBar('next-proposal').click();
    await settled(2);
    expect(asked[1].proposal).toBe(0);
    key('Tab');
    await settled(3);
    expect(asked[2].proposal).toBe(1);
    expect(inBar('next-proposal').textContent).toContain('3/4');
  });

  it('keeps the map\'s clicks from the host as long as it lasts, and gives them back', async () => {
    await correcting();
    click(30, 30);
    await settled(2);
    expect(hostHeard).not.toContain('click');
    expect(hostHeard).toContain('pointerdown'); // whoever drags the map still does
    expect(key('Escape').defaultPrevented).toBe(true);
    expect(bar()).toBe(null);
    expect(layers.size).toBe(0);
    click(30, 30);
    expect(hostHeard).toContain('click');
    expect(key('z').defaultPrevented).toBe(false);
    expect(asked).toHaveLength(2);
    expect(emitted).toEqual([]);
    await owner.vm.$nextTick();
    expect(owner.find('.refine-sam-correct').attributes('disabled')).toBeUndefined();
  });

  it('writes exactly the preview, and the viewer\'s undo takes all of it back in one step', async () => {
    await correcting();
    click(30, 30);
    await settled(2);
    key('Enter');
    await until(() => told.length > 0);
    expect(asked[2]).toEqual({...is2026 ? {} : {keepPoints: false}, preview: 'preview 1 undefined'});
    expect(told).toEqual([{type: 'success', text: '<notif-refine-sam-success>'}]);
    expect(bar()).toBe(null);
    expect(events('editAnnotation').map(({id, location}) => [id, location])).toEqual([[7, OUTLINE]]);
    expect(events('deleteAnnotation').map(({id}) => id)).toEqual([11]);
    const undo = committed.filter(([mutation]) => mutation === 'module/1/addAction');
    expect(undo.map(([, {annot}, commands]) => [annot.id, commands])).toEqual([[7, [88, 89]]]);
  });

  it('never cancels what is being written, whatever is pressed or closed', async () => {
    for (const leaves of [() => key('Escape'), () => owner.destroy()]) {
      await correcting();
      held = [];
      key('Enter');
      await until(() => held.length === 1);
      leaves();
      held.shift()();
      held = null;
      await until(() => told.length > 0);
      expect(told).toEqual([{type: 'success', text: '<notif-refine-sam-success>'}]);
      expect(bar()).toBe(null);
      owner.destroy();
      told = [];
    }
    expect(events('editAnnotation')).toHaveLength(2);
  });

  it('begins the next correction with the first box, as long as the outline is the one that it gave', async () => {
    await correcting();
    inBar('accept').click();
    await until(() => told.length > 0);
    owner.vm.annotation = annotation({location: OUTLINE});
    await owner.vm.$nextTick();
    owner.find('.refine-sam-correct').trigger('click');
    await until(acceptable);
    expect(asked[2].box).toEqual([5, 5, 95, 95]);
    key('Escape');
    owner.vm.annotation = annotation();
    await owner.vm.$nextTick();
    owner.find('.refine-sam-correct').trigger('click');
    await until(acceptable);
    expect(asked[3].box).toEqual([10, 10, 90, 90]);
  });

  it('shows a doubtful outline of a press instead of writing it, and goes on from it with the points that were drawn', async () => {
    answers = body => body.doubtful ? previewed(body).map(part => part === 200 ? 200 : {...part, doubtful: true, doubts: ['Small.']}) : says(body);
    viewer();
    owner.find('button').trigger('click');
    await until(acceptable);
    expect(asked).toEqual([{keepPoints: false, doubtful: 'preview'}]);
    expect(told).toEqual([{type: 'warn', text: '<notif-refine-sam-doubtful> Small.'}]);
    expect(outline()).toEqual([1600]);
    click(30, 30);
    await settled(2);
    expect(asked[1]).toEqual({box: [10, 10, 90, 90], dryRun: true, clicks: [{x: 30, y: 30, label: 1}]});
    inBar('accept').click();
    await until(() => told.length > 1);
    expect(asked[2].preview).toBe('preview 1 undefined');
  });

  it('shows a new preview where the old one does not fit any more, and writes nothing else', async () => {
    answers = body => body.preview ? [409, {type: 'urn:cytomine-refine:preview-unfit', detail: 'It was changed.'}] : says(body);
    await correcting();
    key('Enter');
    await until(() => told.length > 0);
    expect(told).toEqual([{type: 'error', text: '<notif-refine-sam-preview-unfit> It was changed.'}]);
    await settled(3);
    expect(asked[2].dryRun).toBe(true);
    expect(emitted).toEqual([]);
  });

  it('ends where the annotation is gone, or may have been written', async () => {
    for (const [status, problem] of [[404, {type: 'urn:cytomine-refine:annotation-not-found'}], [502, {type: 'urn:cytomine-refine:service-absent'}]]) {
      answers = body => body.preview ? [status, problem] : says(body);
      await correcting();
      key('Enter');
      await until(() => bar() === null);
      await until(() => told.length > 0);
      owner.destroy();
      told = [];
    }
    expect(events('editAnnotation')).toHaveLength(1); // the second one is loaded again
  });

  it('goes back to the outline on the screen where a preview does not come, and ends where there is none', async () => {
    await correcting();
    answers = () => [503, {type: 'urn:cytomine-refine:model-busy', detail: 'Busy.'}];
    click(30, 30);
    await until(() => told.length > 0);
    expect(told).toEqual([{type: 'error', text: '<notif-refine-sam-503> Busy.'}]);
    await until(() => clicked().length === 0);
    expect(acceptable()).toBe(true);
    key('Escape');
    await owner.vm.$nextTick();
    owner.find('.refine-sam-correct').trigger('click');
    await until(() => told.length > 1);
    expect(bar()).toBe(null);
  });

  it('says where nothing is found, and takes further clicks', async () => {
    answers = body => body.clicks.length === 1 ? [200, {changed: false, preview: null, proposals: [], doubts: []}] : says(body);
    await correcting();
    click(30, 30);
    await until(() => inBar('nothing') !== null);
    expect(inBar('accept').disabled).toBe(true);
    expect(outline()).toEqual([]);
    key('Enter');
    click(60, 60);
    await settled(3);
    expect(inBar('nothing')).toBe(null);
  });

  it('lets the latest click win', async () => {
    await correcting();
    held = [];
    click(30, 30);
    click(50, 50);
    click(70, 70);
    await until(() => held.length === 1);
    expect(inBar('accept').disabled).toBe(true);
    held.shift()();
    await until(() => held.length === 1);
    expect(outline()).toEqual([1600]);
    held.shift()();
    await settled(3);
    expect(asked.map(({clicks}) => clicks.length)).toEqual([0, 1, 3]);
    expect(outline()).toEqual([43 * 43]);
  });

  it.each([
    ['the viewer goes', () => owner.destroy()],
    ['another image is shown', () => owner.setData({image: {id: 9}})],
    ['another slice is shown', () => owner.setData({sliceIds: [8]})],
    ['a tool for drawing is taken', () => owner.setData({activeTool: 'rectangle'})],
    ['a tool for editing is taken', () => owner.setData({activeEditTool: 'modify'})],
    ['the annotation is deleted', () => emit(owner.vm, 'deleteAnnotation', {id: 7})]
  ])('ends and lets go of everything when %s', async (_, happens) => {
    await correcting();
    held = [];
    click(30, 30);
    await until(() => held.length === 1);
    const interactions = map.getInteractions().getLength();
    await happens();
    await until(() => bar() === null);
    expect(map.getInteractions().getLength()).toBe(interactions - 1);
    expect(layers.size).toBe(0);
    expect(key('Enter').defaultPrevented).toBe(false);
    held.shift()();
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(told).toEqual([]);
    expect(bar()).toBe(null);
  });

  it('goes on though its panel goes', async () => {
    await correcting();
    owner.vm.shown = false;
    await owner.vm.$nextTick();
    click(30, 30);
    await settled(2);
    key('Enter');
    await until(() => told.length > 0);
    expect(events('editAnnotation')).toHaveLength(1);
    owner.vm.shown = true;
  });

  it('puts the host\'s tools down first, which would take the clicks too', async () => {
    viewer();
    await owner.setData({activeTool: 'point', activeEditTool: 'modify'});
    owner.find('.refine-sam-correct').trigger('click');
    await until(acceptable);
    expect(committed.map(([what, value]) => [what, value])).toEqual([['module/1/activateTool', 'select'], ['module/1/activateEditTool', null]]);
  });

  it('corrects one annotation of a map at a time, and each of them once', async () => {
    await correcting();
    const press = name => is2026 ? host.bus.emit('shortkeyEvent', name) : bus.$emit('shortkeyEvent', name);
    press('tool-refine-sam-correct');
    owner.vm.annotation = annotation({id: 8});
    await owner.vm.$nextTick();
    press('tool-refine-sam-correct');
    await until(() => asked.length === 2 && acceptable());
    expect(document.querySelectorAll('.refine-sam-bar')).toHaveLength(1);
    expect(layers.size).toBe(1);
  });

  it('leaves keys to fields, dialogues, buttons and the host\'s shortcuts', async () => {
    await correcting();
    const field = document.createElement('input');
    document.body.appendChild(field);
    expect(key('z', {target: field}).defaultPrevented).toBe(false);
    expect(key('z', {ctrlKey: true}).defaultPrevented).toBe(false);
    expect(key('Enter', {target: inBar('discard')}).defaultPrevented).toBe(false);
    expect(key('Tab', {target: inBar('discard')}).defaultPrevented).toBe(false);
    const modal = document.createElement('div');
    modal.className = 'modal is-active';
    document.body.appendChild(modal);
    expect(key('Escape').defaultPrevented).toBe(false);
    modal.remove();
    expect(acceptable()).toBe(true);
    key('x');
    await owner.vm.$nextTick();
    expect(inBar('background').getAttribute('aria-pressed')).toBe('true');
  });

});
