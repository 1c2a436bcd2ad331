/** The host's own tests of the details panel replace its API by the few classes that they need. */

import { host } from '../refine/refine-host';

vi.mock('@/api', () => ({ AnnotationType: { USER: 'USER' } }));

it('can be loaded where only a part of the API is there', () => {
  expect(host.userType).toBe('USER');
});
