/** The parts of Node.js that the tests use; the viewer itself runs in browsers only. */

declare module 'node:http' {
  export interface IncomingMessage extends AsyncIterable<Uint8Array> {
    resume(): void;
  }
  export interface ServerResponse {
    write(part: string, done?: () => void): void;
    end(part: string): void;
    destroy(): void;
    on(event: 'close', listener: () => void): void;
  }
  export interface Server {
    listen(port: number, host: string, done: () => void): void;
    address(): { port: number };
    close(): void;
    closeAllConnections(): void;
  }
  export function createServer(handle: (request: IncomingMessage, response: ServerResponse) => unknown): Server;
}
