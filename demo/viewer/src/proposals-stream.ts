/** Reads an answer that comes line by line, each line a JSON value (NDJSON). */

import { Problem } from './api';

/**
 * Give the values of an answer as they arrive. Whoever stops listening closes the connection. An answer that breaks off, or
 * has a line that is not JSON, is a `Problem`: nothing was written by what is read here.
 */
export async function* valuesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  for await (const line of linesOf(body)) if (line.trim()) yield valueOf(line);
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (let part = await next(reader); part; part = await next(reader)) {
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
    yield rest + decoder.decode();
  } finally {
    await reader.cancel().catch(() => undefined); // closed already
  }
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | null> {
  try {
    return (await reader.read()).value ?? null;
  } catch {
    throw new Problem('The search broke off', 'The connection was lost.');
  }
}

function valueOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Problem('The search broke off', 'A part of the answer cannot be read.');
  }
}
