/** Reads CSV as spreadsheets and our own reports write it: quoted cells may hold commas, quotes and line breaks. */

const CELL = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|\n|\r|$)/y;

/** Give each line as an object by the names of the first line. */
export function readCsv(text: string): Record<string, string>[] {
  const [names = [], ...rows] = rowsOf(text.replace(/^\uFEFF/, ''));
  return rows.filter((row) => row.some(Boolean)).map((row) => Object.fromEntries(names.map((name, i) => [name.trim(), row[i] ?? ''])));
}

function rowsOf(text: string): string[][] {
  const rows: string[][] = [[]];
  CELL.lastIndex = 0;
  while (CELL.lastIndex < text.length) {
    const found = CELL.exec(text);
    if (!found) break; // a quote that is never closed
    const [, cell = '', end = ''] = found;
    rows.at(-1)!.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === ',' && CELL.lastIndex === text.length) rows.at(-1)!.push('');
    if (end !== ',' && end) rows.push([]);
  }
  return rows;
}
