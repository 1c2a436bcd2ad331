/** Stands for the host's bus of events. */

let listeners = [];

export default {
  on(event, listener) {
    listeners.push([event, listener]);
  },
  off(event, listener) {
    listeners = listeners.filter(([name, heard]) => name !== event || heard !== listener);
  },
  emit(event, payload) {
    listeners.filter(([name]) => name === event).forEach(([, listener]) => listener(payload));
  },
};
