// Search from a folder: browsers start no Worker from file://, so the search's script runs in a hidden frame instead.
// The theme loads this as its "iframe-worker", in place of the one that it would fetch from a CDN.
if (location.protocol === 'file:') {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement('iframe');
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.importScripts = (...sources) => sources.reduce((done, source) => done.then(() => load(inside, source)), Promise.resolve());
      inside.postMessage = (data) => this.heard({ data });
      this.ready = load(inside, String(url)).then(() => inside);
    }

    heard(event) {
      this.onmessage?.(event);
      this.listeners?.forEach((listener) => listener(event));
    }

    addEventListener(kind, listener) {
      if (kind === 'message') (this.listeners ??= []).push(listener);
    }

    removeEventListener(kind, listener) {
      this.listeners = this.listeners?.filter((each) => each !== listener);
    }

    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent('message', { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}

function load(inside, source) {
  return new Promise((done, failed) => {
    const script = inside.document.createElement('script');
    script.src = source;
    script.onload = done;
    script.onerror = failed;
    inside.document.head.append(script);
  });
}
