/** Where Core lacks our addition: nothing that would be written may be asked for as a preview. */

import http from 'node:http';
import { createLocalVue, mount } from '@vue/test-utils';

import RefineWithSam from '@/components/annotations/refine/RefineWithSam.vue';
import { host } from '@/components/annotations/refine/refine-host';

const MALFORMED = [400, { type: 'urn:cytomine-refine:invalid-request' }];

let server;
let asked;
let answers;
let told;

function panel() {
  return mount(RefineWithSam, {
    localVue: createLocalVue(),
    parentComponent: { data: () => ({ index: '0' }) },
    propsData: { annotation: { id: 7, type: host.userType, area: 81 }, canEdit: true },
    mocks: { $t: key => `<${key}>`, $notify: note => told.push(note) },
  });
}

async function until(condition) {
  for (let attempt = 0; attempt < 3000 && !condition(); attempt++) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  expect(condition()).toBe(true);
}

async function correct(wrapper) {
  const before = told.length;
  wrapper.find('.refine-sam-correct').trigger('click');
  await until(() => told.length > before);
  await wrapper.vm.$nextTick();
}

describe('Correcting without our addition in Core', () => {
  beforeAll(async () => {
    server = http.createServer((request, response) => {
      const headers = {
        'Access-Control-Allow-Origin': request.headers.origin || '*',
        'Access-Control-Allow-Credentials': 'true',
        'Access-Control-Allow-Headers': 'content-type,x-requested-with,x-xsrf-token',
        'Content-Type': 'application/json',
      };
      if (request.method === 'OPTIONS') {
        response.writeHead(204, headers);
        response.end();
        return;
      }
      asked.push(request.url);
      const [status, data] = answers;
      response.writeHead(status, headers);
      response.end(JSON.stringify(data));
    });
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
    new host.Cytomine(`http://127.0.0.1:${server.address().port}/api/`);
  });

  afterAll(() => new Promise(resolve => server.close(resolve)));

  it('is offered until it is known, and then no more', async () => {
    [asked, told] = [[], []];
    const wrapper = panel();

    answers = [401, {}]; // who is logged out learns nothing
    await correct(wrapper);
    expect(told.map(({ text }) => text)).toEqual(['<notif-refine-sam-401>']);
    expect(wrapper.find('.refine-sam-correct').exists()).toBe(true);

    answers = [404, { errors: 'Annotation 0 not found' }];
    await correct(wrapper);
    expect(told[1]).toEqual({ type: 'info', text: '<notif-refine-sam-no-previews>' });
    expect(wrapper.find('.refine-sam-correct').exists()).toBe(false);
    expect(panel().find('.refine-sam-correct').exists()).toBe(false);
    expect(new Set(asked)).toEqual(new Set(['/api/annotations/0/refine']));

    answers = MALFORMED;
    expect(await host.canPreview()).toBe(false); // asked once for the page
  });
});
