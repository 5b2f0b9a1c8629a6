/** How many rows passed per server: each test notes how it ended, and the end of the run prints the counts. */
import { readFileSync } from 'node:fs';

/** A test that has ended. */
export interface Row {
  /** The test file, without its ending: the server. */
  readonly server: string;
  readonly contract: boolean;
  readonly passed: boolean;
}

/** Prints the counts. A server that could not be started is named as not run, and counts nowhere as passed. */
export function printRows(file: string, notRun: ReadonlyMap<string, string>): void {
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
  const count = (of: readonly Row[]) => `${of.filter((row) => row.passed).length}/${of.length}`;
  const lines = [...new Set(rows.map((row) => row.server))].sort().map((server) => {
    const own = rows.filter((row) => row.server === server);
    const contract = own.filter((row) => row.contract);
    const others = own.filter((row) => !row.contract);
    return `  ${server.padEnd(12)} contract ${count(contract).padStart(7)}   others ${count(others).padStart(7)}`;
  });
  for (const [server, reason] of notRun) lines.push(`  ${server.padEnd(12)} not run: ${reason}`);
  console.log(['', 'rows passed per server:', ...lines, ''].join('\n'));
}
