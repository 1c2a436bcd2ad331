/**
 * "Find others like this" on the host's OpenLayers, against a real server over real HTTP that speaks when a test tells it to;
 * runs with Jest and with vitest.
 */
/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

import http from 'http';
import Vue from 'vue';
import {createLocalVue, mount} from '@vue/test-utils';
import VectorLayer from 'ol/layer/Vector';
import Map from 'ol/Map';
import View from 'ol/View';

import RefineWithSam from '@/components/annotations/refine/RefineWithSam.vue';
import {host} from '@/components/annotations/refine/refine-host';
import {reverseRefinement} from '@/components/annotations/refine/reverse-refinement';

const EXAMPLE = 'POLYGON ((10 10, 18 10, 18 18, 10 18, 10 10))';
const emit = host.emit;

let server;
let search; // {body, response, closed}: the search that is being answered
let refusal; // what Core says to a search instead
let stored; // annotations that Core has, by id
let posted; // what was sent to be stored
let creates; // what Core does with one: gives [status, whether it is stored all the same, whether the answer is lost]
let nextId;
let told;
let emitted;
let committed;
let aborts; // requests that the page has left
let owner;
let map;
const layers = new Set();
const bus = new Vue(); // of 2025.1

const square = (x, y) => ({type: 'Polygon', coordinates: [[[x, y], [x + 8, y], [x + 8, y + 8], [x, y + 8], [x, y]]]});

function feature(proposal, likeness, x, y) {
  const properties = {proposal, likeness, confidence: null, score: 0.8, 'area_px0': 64, tile: proposal, tiles: 4};
  return {type: 'Feature', geometry: square(x, y), properties};
}

const FOUND = [feature(1, 0.95, 11, 10), feature(2, 0.9, 40, 40), feature(3, 0.7, 60, 40), feature(4, 0.45, 80, 40)];
const END = {done: true, proposals: 4, tiles: 4, stopped: null};

/** What Core answers. */
function core(request, response, text) {
  const headers = {
    'Access-Control-Allow-Origin': request.headers.origin || '*',
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Allow-Headers': 'content-type,x-requested-with,x-xsrf-token',
    'Access-Control-Allow-Methods': 'GET,POST,DELETE'
  };
  const end = (status, data) => {
    response.writeHead(status, {...headers, 'Content-Type': 'application/json'});
    response.end(JSON.stringify(data));
  };
  const {method, url} = request;
  const id = Number((/annotation\/(\d+)\.json/.exec(url) || [])[1]);
  if (method === 'OPTIONS') {
    end(204);
  } else if (url.includes('/sam/propose')) {
    proposes(request, response, {...headers, 'Content-Type': 'application/x-ndjson'}, JSON.parse(text), end);
  } else if (method === 'POST') {
    makes(JSON.parse(text), end, request);
  } else if (method === 'DELETE') {
    stored[id].isGone = true;
    end(200, {command: 1000 + id});
  } else if (url.includes('/command/')) {
    const restored = Number(/command\/(\d+)/.exec(url)[1]) - 1000;
    stored[restored].isGone = false;
    end(200, {collection: []});
  } else if (id) {
    stored[id] && !stored[id].isGone ? end(200, stored[id]) : end(404, {errors: 'gone'});
  } else if (url.includes('bbox=')) {
    const user = Number(new URL(url, 'http://core').searchParams.get('user'));
    end(200, {collection: Object.values(stored).filter(({isGone, user: whose}) => !isGone && whose === user)});
  } else {
    end(200, {collection: []});
  }
}

function proposes(request, response, headers, body, end) {
  if (refusal) {
    end(...refusal);
    return;
  }
  let closed;
  search = {url: request.url, body, response, gone: new Promise(resolve => {
    closed = resolve;
  })};
  response.on('close', closed);
  response.writeHead(200, headers);
  response.write(' ');
}

function makes(json, end, request) {
  posted.push(json);
  const [status, isStored, isLost] = creates(json, posted.length);
  const annotation = {...json, id: nextId, user: 61, class: 'be.cytomine.domain.ontology.UserAnnotation'};
  if (isStored) {
    stored[nextId++] = annotation;
  }
  if (isLost) {
    request.socket.destroy();
  } else {
    end(status, status === 200 ? {annotation, command: 5} : {errors: 'Not now'});
  }
}

const say = (...lines) => search.response.write(lines.map(line => JSON.stringify(line) + '\n').join(''));

/** Say all and end. */
function ends(...lines) {
  say(...lines);
  search.response.end();
}

/** jsdom draws nothing; OpenLayers is content with a context that takes everything. */
function drawNowhere() {
  HTMLCanvasElement.prototype.getContext = function() {
    const canvas = this;
    return new Proxy({canvas}, {get: (target, name) => name in target ? target[name] : () => ({width: 1})});
  };
}

function noteLayers() {
  const {setMap} = VectorLayer.prototype;
  VectorLayer.prototype.setMap = function(on) {
    on ? layers.add(this) : layers.delete(this);
    setMap.call(this, on);
  };
}

/** The DOM of the older runner does not end a connection that its request has left, so what a page does is counted, too. */
function noteAborts() {
  const {abort} = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.abort = function() {
    aborts++;
    abort.call(this);
  };
}

async function isLeft() {
  await until(() => aborts === 1);
  if (host.generation === '2026') {
    await search.gone;
  }
}

/** A map of 100 x 100 pixels, of which 90 x 90 show the image; what is drawn where is looked up in the features themselves. */
function hostMap() {
  const target = document.createElement('div');
  document.body.appendChild(target);
  const made = new Map({target, controls: [], view: new View({center: [40, 40], resolution: 1})});
  made.setSize([100, 100]);
  made.renderSync();
  made.forEachFeatureAtPixel = (pixel, found) => {
    const [x, y] = made.getCoordinateFromPixel(pixel);
    const hit = features().find(each => each.getGeometry().intersectsCoordinate([x, y]));
    return hit && found(hit);
  };
  return made;
}

function viewer() {
  map = hostMap();
  const VlMap = {render: h => h('div'), created() {
    this.$map = map;
  }};
  const annotation = {id: 7, type: host.userType, user: 61, image: 5, slice: 6, project: 4, area: 64, location: EXAMPLE, term: [31, 32]};
  const CytomineImage = {
    data: () => ({
      index: '1', image: {id: 5, width: 500, height: 80}, sliceIds: [6], activeTool: 'select', activeEditTool: null,
      imageModule: 'module/1/', shown: true, annotation
    }),
    render(h) {
      const panel = this.shown && h(RefineWithSam, {props: {annotation: this.annotation, canEdit: true}});
      return h('div', [h(VlMap, {ref: 'map'}), panel]);
    }
  };
  owner = mount(CytomineImage, {
    localVue: createLocalVue(),
    attachTo: document.body,
    mocks: {
      $t: key => `<${key}>`,
      $notify: note => told.push(`${note.type} ${note.text}`),
      $eventBus: bus,
      $store: {
        state: {currentUser: {user: {id: 61}}},
        getters: {
          'currentProject/currentViewer': {activeImage: '1', images: {1: {imageInstance: {id: 5}}}},
          'currentProject/imageModule': index => `module/${index}/`
        },
        commit: (mutation, payload) => committed.push({...payload, mutation, command: host.Cytomine.instance.lastCommand}),
        dispatch: () => {}
      }
    }
  });
}

async function until(condition) {
  for (let attempt = 0; attempt < 3000 && !condition(); attempt++) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  expect(condition()).toBe(true);
}

const bar = () => document.querySelector('.refine-sam-similar-bar');
const inBar = name => bar().querySelector(`.refine-sam-similar-${name}`);
const features = () => [...layers].flatMap(layer => layer.getSource().getFeatures());
const onMap = () => features().map(each => each.getId()).sort();
const isDashed = feature => feature.getStyle().some(style => style.getStroke().getLineDash());
const dropped = () => features().filter(isDashed).map(each => each.getId());
const acceptable = () => bar() !== null && !inBar('accept').disabled;
const events = name => emitted.filter(([event]) => event === name).map(([, payload]) => payload);

function click(x, y) {
  const [left, top] = map.getPixelFromCoordinate([x, y]);
  const event = type => new MouseEvent(type, {clientX: left, clientY: top, bubbles: true, cancelable: true});
  map.getViewport().dispatchEvent(event('mousedown'));
  document.dispatchEvent(event('mouseup'));
  map.getViewport().dispatchEvent(event('mouseup'));
}

function slide(percent) {
  const slider = bar().querySelector('input[type=range]');
  slider.value = String(percent);
  slider.dispatchEvent(new Event('input'));
}

const key = name => document.body.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));

/** Press the button; gives once Core is asked. */
async function pressed() {
  viewer();
  owner.find('.refine-sam-similar').trigger('click');
  await until(() => search !== null || told.length > 0);
}

async function found() {
  await pressed();
  ends(...FOUND, END);
  await until(acceptable);
}

describe('Find others like this', () => {
  beforeAll(async () => {
    drawNowhere();
    noteLayers();
    noteAborts();
    server = http.createServer((request, response) => {
      let body = '';
      request.on('data', part => {
        body += part;
      });
      request.on('end', () => core(request, response, body));
    });
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    host.generation === '2026' ? new host.Cytomine(`${url}/api/`, `${url}/iam/`) : new host.Cytomine(url);
  });

  afterAll(() => new Promise(resolve => server.close(resolve)));

  beforeEach(() => {
    localStorage.clear();
    [told, emitted, committed, posted] = [[], [], [], []];
    [search, refusal, stored, nextId, aborts] = [null, null, {}, 100, 0];
    creates = () => [200, true, false];
    host.emit = (component, event, payload) => {
      emitted.push([event, payload]);
      emit(component, event, payload);
    };
  });

  afterEach(() => {
    if (search) {
      search.response.end();
    }
    owner.destroy();
    map.setTarget(null);
    document.body.innerHTML = '';
  });

  it('asks for what the map shows of the image, with the example', async () => {
    await pressed();
    expect(search.url).toBe('/api/imageinstance/5/sam/propose');
    const ring = [[0, 0], [90, 0], [90, 80], [0, 80], [0, 0]];
    expect(search.body).toEqual({geometry: {type: 'Feature', geometry: {type: 'Polygon', coordinates: [ring]}, properties: {}}, like: [7]});
    expect(owner.find('.refine-sam-similar').attributes('disabled')).toBeDefined();
    ends(END);
    await until(() => told.length > 0);
    expect(told).toEqual(['info <notif-refine-sam-similar-none>']);
    expect(bar()).toBe(null);
  });

  it('shows proposals while the search goes on, but not the example itself', async () => {
    await pressed();
    say(FOUND[0], FOUND[1]);
    await until(() => onMap().length === 1);
    expect(onMap()).toEqual([2]);
    expect(inBar('state').textContent).toBe('<refine-sam-similar-searching> <refine-sam-similar-found> 1');
    expect(bar().querySelector('progress').max).toBe(4);
    expect(bar().querySelector('progress').value).toBe(2);
    expect(acceptable()).toBe(false);
    ends(FOUND[2], FOUND[3], END);
    await until(acceptable);
    expect(onMap()).toEqual([2, 3]);
    expect(bar().querySelector('progress')).toBe(null);
  });

  it('leaves out what this user has drawn there already, and tells how many', async () => {
    const drawn = user => ({user, location: 'POLYGON ((41 40, 49 40, 49 48, 41 48, 41 40))'});
    stored = {1: {id: 1, ...drawn(61)}};
    await found();
    expect(onMap()).toEqual([3]);
    expect(inBar('state').textContent).toBe('<refine-sam-similar-found> 2 · <refine-sam-similar-known> 1');
  });

  it('does not leave out what others have drawn', async () => {
    stored = {1: {id: 1, user: 62, location: 'POLYGON ((41 40, 49 40, 49 48, 41 48, 41 40))'}};
    await found();
    expect(onMap()).toEqual([2, 3]);
    expect(inBar('state').textContent).toBe('<refine-sam-similar-found> 3');
  });

  it('says so where all of it is there already', async () => {
    stored = {1: {id: 1, user: 61, location: 'POLYGON ((41 40, 49 40, 49 48, 41 48, 41 40))'}};
    await pressed();
    ends(FOUND[1], END);
    await until(() => told.length > 0);
    expect(told).toEqual(['info <notif-refine-sam-similar-known>']);
    expect(bar()).toBe(null);
  });

  it('moves the threshold at once, drops by a click and takes back by another', async () => {
    await found();
    slide(0);
    expect(bar().querySelector('input[type=range]').value).toBe('40'); // nothing less like the example is proposed
    await until(() => onMap().length === 3);
    click(44, 44);
    await until(() => dropped().length === 1);
    expect(dropped()).toEqual([2]);
    expect(inBar('accept').textContent).toContain('(2)');
    click(44, 44);
    await until(() => dropped().length === 0);
    slide(80);
    await until(() => onMap().length === 1);
    expect(posted).toEqual([]);
  });

  it('stores what is accepted, with the terms of the example, and undoes all of it in one step', async () => {
    await found();
    click(64, 44);
    await until(() => dropped().length === 1);
    slide(10);
    await until(() => onMap().length === 3);
    key('Enter');
    await until(() => told.length > 0);
    expect(told).toEqual(['success <notif-refine-sam-similar-saved> 2']);
    expect(posted.map(({location}) => location).sort()).toEqual([
      'POLYGON ((40 40, 48 40, 48 48, 40 48, 40 40))', 'POLYGON ((80 40, 88 40, 88 48, 80 48, 80 40))'
    ]);
    posted.forEach(({image, slice, project, term}) => expect([image, slice, project, term]).toEqual([5, 6, 4, [31, 32]]));
    const added = events('addAnnotation');
    expect(added.map(({id, term, userByTerm}) => [id, term, userByTerm.length])).toEqual([[100, [31, 32], 2], [101, [31, 32], 2]]);
    expect(bar()).toBe(null);

    expect(committed.map(({mutation}) => mutation)).toEqual(['module/1/addAction']);
    const tools = {$t: each => `<${each}>`, $notify: ({text}) => told.push(text), $eventBus: bus};
    const {annot, type, command} = committed[0];
    const back = await reverseRefinement(tools, {annot, type, command}, true);
    expect(Object.values(stored).map(({isGone}) => isGone)).toEqual([true, true]);
    expect(events('deleteAnnotation').map(({id, image}) => [id, image])).toEqual([[100, 5], [101, 5]]);
    await reverseRefinement(tools, back, false);
    expect(Object.values(stored).map(({isGone}) => isGone)).toEqual([false, false]);
    expect(told).toHaveLength(1);
  });

  it('keeps what somebody has changed since when a batch is taken back', async () => {
    await found();
    key('Enter');
    await until(() => told.length > 0);
    stored[100].location = EXAMPLE;
    const tools = {$t: each => `<${each}>`, $notify: ({text}) => told.push(text), $eventBus: bus};
    const {annot, type, command} = committed[0];
    const back = await reverseRefinement(tools, {annot, type, command}, true);
    expect([stored[100].isGone, stored[101].isGone]).toEqual([undefined, true]);
    expect(told[1]).toBe('<notif-refine-sam-similar-kept> 1');
    expect(back.command.map(({id}) => id)).toEqual([101]);
  });

  it('stores nothing twice where an answer is lost, and sends again only what Core does not have', async () => {
    creates = (_, times) => times === 1 ? [0, true, true] : [200, true, false];
    await found();
    key('Enter');
    await until(() => told.length > 0);
    expect(told).toEqual(['success <notif-refine-sam-similar-saved> 2']);
    expect(Object.keys(stored)).toHaveLength(2);
    expect(posted).toHaveLength(2);
  });

  it('keeps what could not be stored on the map, to be accepted again', async () => {
    creates = ({location}) => location.includes('40 40, 48') ? [200, true, false] : [403, false, false];
    await found();
    key('Enter');
    await until(() => told.length === 3);
    expect(told).toEqual([
      'success <notif-refine-sam-similar-saved> 1', 'error <notif-refine-sam-similar-not-stored> Not now', 'warn <notif-refine-sam-similar-unfinished>'
    ]);
    await until(() => onMap().length === 1);
    creates = () => [200, true, false];
    key('Enter');
    await until(() => told.length === 4);
    expect(posted).toHaveLength(3);
    expect(Object.keys(stored)).toHaveLength(2);
    expect(bar()).toBe(null);
  });

  it('goes on without an outline that Core does not take', async () => {
    creates = ({location}) => location.includes('40 40, 48') ? [200, true, false] : [400, false, false];
    await found();
    key('Enter');
    await until(() => told.length === 2);
    expect(told).toEqual(['success <notif-refine-sam-similar-saved> 1', 'warn <notif-refine-sam-similar-refused> 1']);
    expect(bar()).toBe(null);
  });

  it('searches the same again without storing anything twice', async () => {
    await found();
    key('Enter');
    await until(() => bar() === null);
    search = null;
    owner.find('.refine-sam-similar').trigger('click');
    await until(() => search !== null);
    ends(...FOUND, END);
    await until(() => bar() && inBar('state').textContent.includes('known'));
    expect(onMap()).toEqual([]);
    expect(Object.keys(stored)).toHaveLength(2);
  });

  it.each([
    [403, {}, '<notif-refine-sam-similar-403>'],
    [404, {}, '<notif-refine-sam-similar-404>'],
    [413, {detail: 'At most 8000 px.'}, '<notif-refine-sam-similar-413> At most 8000 px.'],
    [503, {type: 'urn:cytomine-refine:core-busy', detail: 'Wait.'}, '<notif-refine-sam-503> Wait.'],
    [403, {type: 'urn:cytomine-refine:not-public'}, '<notif-refine-sam-not-public>'],
    [500, {errors: 'No.'}, '<notif-refine-sam-similar-error> No.']
  ])('tells of a refusal with status %d', async (status, data, text) => {
    refusal = [status, data];
    await pressed();
    await until(() => told.length > 0);
    expect(told).toEqual([`error ${text}`]);
    expect(bar()).toBe(null);
    expect(layers.size).toBe(0);
  });

  it('keeps what was found where the service fails in the middle', async () => {
    await pressed();
    ends(FOUND[1], {done: false, problem: {status: 502, detail: 'PIMS did not answer.'}});
    await until(() => told.length === 2 && acceptable());
    expect(told).toEqual(['error <notif-refine-sam-502> PIMS did not answer.', 'warn <notif-refine-sam-similar-partial>']);
    expect(onMap()).toEqual([2]);
  });

  it('says that there is more where the search stopped at its limit', async () => {
    await pressed();
    ends(...FOUND, {...END, stopped: 'limit'});
    await until(() => told.length > 0);
    expect(told).toEqual(['warn <notif-refine-sam-similar-limit>']);
    expect(acceptable()).toBe(true);
  });

  it('does not say that nothing is there where the search stopped before it found anything', async () => {
    await pressed();
    ends({...END, proposals: 0, stopped: 'deadline'});
    await until(() => told.length > 0 && bar() === null);
    expect(told).toEqual(['warn <notif-refine-sam-similar-deadline>']);
  });

  it.each([
    ['Escape', () => key('Escape')],
    ['another image', () => {
      owner.vm.image = {id: 6, width: 9, height: 9};
    }],
    ['the example deleted', () => emit(owner.vm, 'deleteAnnotation', {id: 7})],
    ['the viewer closed', () => owner.destroy()]
  ])('closes the connection, and with it the service\'s work: %s', async (_, leaves) => {
    await pressed();
    say(FOUND[1]);
    await until(() => onMap().length === 1);
    leaves();
    await isLeft();
    await until(() => bar() === null);
    expect(layers.size).toBe(0);
    expect([told, posted]).toEqual([[], []]);
  });

  it('stops and keeps what was found', async () => {
    await pressed();
    say(FOUND[1]);
    await until(() => onMap().length === 1);
    inBar('stop').click();
    await isLeft();
    await until(acceptable);
    expect(told).toEqual([]);
  });
});
