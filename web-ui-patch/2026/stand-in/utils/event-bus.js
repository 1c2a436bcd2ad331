/** Stands for the host's bus of events. */

const listeners = [];

export default {
  on(event, listener) {
    listeners.push([event, listener]);
  },
  emit(event, payload) {
    listeners.filter(([name]) => name === event).forEach(([, listener]) => listener(payload));
  },
};
