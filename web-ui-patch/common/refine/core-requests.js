/* eslint object-curly-spacing: off, brace-style: off -- the two hosts want them differently */

/** What the search for others asks Core, the same in both generations. */

import {host} from './refine-host';

const api = () => host.Cytomine.instance.api;

/**
 * Cancels a request of any version of the hosts' client: the older one knows no `AbortSignal` but takes a token, as the newer
 * one still does.
 */
class CancelToken {
  constructor(signal) {
    this.signal = signal;
    this.promise = new Promise(resolve => signal.addEventListener('abort', () => resolve(new Error('The search was left'))));
  }

  throwIfRequested() {
    if (this.signal.aborted) {
      throw new Error('The search was left');
    }
  }

  subscribe(listener) {
    this.signal.addEventListener('abort', listener);
  }

  unsubscribe(listener) {
    this.signal.removeEventListener('abort', listener);
  }
}

/**
 * Have objects proposed on an image.
 *
 * @param {number} image
 * @param {Object} question where to look, and for what; see the service's `/sam/propose`
 * @param {function(string): void} told is told of the text so far, each time more has come
 * @param {AbortSignal} signal closes the connection, and so ends the service's work
 * @returns {Promise<string>} all lines
 */
export async function propose(image, question, told, signal) {
  try {
    const {data} = await api().post(`imageinstance/${image}/sam/propose`, question, {
      cancelToken: new CancelToken(signal),
      responseType: 'text',
      transformResponse: [text => text],
      onDownloadProgress: event => {
        const {status, responseText} = (event.event || event).target; // the client has changed between the generations
        if (status === 200) {
          told(responseText);
        }
      }
    });
    return data;
  } catch (error) {
    if (error.response) {
      error.response.data = parsed(error.response.data);
    }
    throw error;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    return {};
  }
}

/** Make an annotation; gives it as Core has stored it. */
export async function create(wanted) {
  const {data} = await api().post('annotation.json', wanted);
  return data.data || data.annotation;
}

/** Remove an annotation; gives the handle that brings it back. */
export async function remove(id) {
  return (await api().delete(`annotation/${id}.json`)).data.command;
}

/** What a user has drawn in a box of an image, with the outlines. */
export async function annotationsIn(image, box, user) {
  const {data} = await api().get('annotation.json', {params: {image, user, bbox: box.join(), showWKT: true, showMeta: true}});
  return data.collection;
}
