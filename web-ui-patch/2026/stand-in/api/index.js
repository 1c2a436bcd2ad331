/** Stands for the host's API client: the class of annotations, and the one connection. */

import axios from 'axios';

export const AnnotationType = Object.freeze({ USER: 'UserAnnotation', REVIEWED: 'ReviewedAnnotation' });

export class Annotation {
  constructor(properties) {
    Object.assign(this, properties);
  }

  clone() {
    return new Annotation(this);
  }
}

export class Cytomine {
  constructor(coreUrl) {
    this.api = axios.create({ baseURL: coreUrl, withCredentials: true });
    this.lastCommand = null;
    Cytomine._instance = this;
  }

  async undo(command) {
    return (await this.api.get(`command/${command}/undo.json`)).data.collection;
  }

  async redo(command) {
    return (await this.api.get(`command/${command}/redo.json`)).data.collection;
  }

  static get instance() {
    return Cytomine._instance;
  }
}
