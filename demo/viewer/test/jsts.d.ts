declare module 'jsts/org/locationtech/jts/io/WKTReader.js' {
  export default class WKTReader {
    read(text: string): object;
  }
}
declare module 'jsts/org/locationtech/jts/operation/valid/IsValidOp.js' {
  export default class IsValidOp {
    constructor(geometry: object);
    isValid(): boolean;
  }
}
