// Many single files, each with a pointer of its own: what grows with the number of pointers rather than of files.
//   node bench/pointers.mjs [--pointers 2000] [--runs 5]
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, table, writeReport } from './report.mjs';
import { isolate, run, time } from './run.mjs';

const { values } = parseArgs({
  options: {
    pointers: { type: 'string', default: '2000' },
    runs: { type: 'string', default: '5' },
    out: { type: 'string', default: fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url)) },
  },
});
const main = fileURLToPath(new URL('../dist/bin/main.js', import.meta.url));
const dv = (...args) => [process.execPath, main, ...args];
const top = mkdtempSync(join(tmpdir(), 'dv-bench-'));
process.on('exit', () => rmSync(top, { recursive: true, force: true }));
isolate(top);

const root = join(top, 'repository');
mkdirSync(root);
run(root, ['git', 'init', '-q']);
run(root, dv('init'));
const paths = Array.from({ length: Number(values.pointers) }, (_, i) => `d${i % 20}/f${i}.bin`);
for (let i = 0; i < 20; i++) mkdirSync(join(root, `d${i}`));
for (const path of paths) writeFileSync(join(root, path), path);

const results = new Map();
const measure = (step, commands) => {
  const { seconds } = time(root, commands);
  if (!results.has(step)) results.set(step, new Map([['dv', []]]));
  results.get(step).get('dv').push(seconds);
};
measure('add', [dv('add', '-q', ...paths)]);
run(root, ['git', 'add', '-A']);
run(root, ['git', 'commit', '-q', '-m', 'All of them']);
run(root, ['git', 'branch', 'other']);
for (let i = 0; i < Number(values.runs); i++) {
  measure('status, nothing changed', [dv('status', '--check')]);
  measure('git checkout, nothing changed, with hook', [['git', 'checkout', '-q', i % 2 ? 'main' : 'other']]);
  measure('the same without', [
    ['git', '-c', 'core.hooksPath=/dev/null', 'checkout', '-q', i % 2 ? 'other' : 'main'],
  ]);
  run(root, ['git', '-c', 'core.hooksPath=/dev/null', 'checkout', '-q', i % 2 ? 'main' : 'other']);
}
const lines = table(results, ['dv']);
console.log(lines);
writeReport(
  values.out,
  'pointers',
  [
    `${paths.length.toLocaleString('en')} files of a few bytes, each tracked by itself. Seconds, median.`,
    '',
    lines,
    '',
    `- Machine: ${machine(top)}.`,
  ].join('\n'),
);
