// Many small files with dv, git, git-lfs and DVC in one run, each tool once per round, medians over the rounds:
//   node bench/data.mjs [--files 50000] [--size 10240] [--runs 5] [--tools dv,git] [--section data] [--out docs/benchmarks.md]
// DVC=/path/to/dvc names a dvc that is not on PATH; TMPDIR says on which file system to work.
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Dataset } from './dataset.mjs';
import { machine, table, writeReport } from './report.mjs';
import { isolate, putAside, run, time } from './run.mjs';
import { checkRemote, installedTools } from './tools.mjs';

/** Steps that need a repository made from scratch are measured in so many rounds at most. */
const freshRounds = 3;

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '50000' },
    size: { type: 'string', default: '10240' },
    runs: { type: 'string', default: '5' },
    tools: { type: 'string' },
    section: { type: 'string', default: 'data' },
    out: { type: 'string', default: fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url)) },
  },
});
const [files, size, runs] = ['files', 'size', 'runs'].map((name) => {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} is a whole number above 0`);
  return number;
});

/** Processes that wanted a core in the minute before: above 0 means that others were at work too. */
const loadBefore = loadavg()[0].toFixed(1);
const top = mkdtempSync(join(tmpdir(), 'dv-bench-'));
process.on('exit', () => rmSync(top, { recursive: true, force: true }));
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
isolate(top);

const data = new Dataset(files, size);
const source = join(top, 'source');
data.write(source);
const tools = installedTools(values.tools?.split(','));
/** MiB at most of every run: step → tool → list. */
const memory = new Map();
/** Seconds of every run: step → tool → list. */
const results = new Map();

/** Folders taken out of the way. */
let asides = 0;

function note(table, step, tool, value) {
  if (!table.has(step)) table.set(step, new Map());
  table.get(step).set(tool.name, [...(table.get(step).get(tool.name) ?? []), value]);
}

function measure(tool, step, cwd, commands) {
  const { seconds, output, peakMiB } = time(cwd, commands);
  note(results, step, tool, seconds);
  if (peakMiB !== undefined) note(memory, step, tool, peakMiB);
  console.error(`  ${tool.name.padEnd(8)}${step.padEnd(38)}${seconds.toFixed(2)} s`);
  return output;
}

const commit = (root, message) => {
  run(root, ['git', 'add', '-A']);
  run(root, ['git', 'commit', '-q', '-m', message]);
};

/** A repository from nothing with two branches that differ in 2 % of the files; leaves the second checked out. */
function measureFresh(tool, root, remote) {
  for (const folder of [root, remote]) {
    putAside(folder);
    mkdirSync(folder, { recursive: true });
  }
  run(root, ['git', 'init', '-q']);
  tool.init(root, remote);
  run(root, ['git', 'add', '-A']);
  run(root, ['git', 'commit', '-q', '--allow-empty', '-m', 'Start']);
  const folder = join(root, 'data');
  cpSync(source, folder, { recursive: true });

  measure(tool, 'add', root, tool.add);
  tool.checkAdded(root, data, 0);
  data.check(folder, 0);
  commit(root, 'First version');

  run(root, ['git', 'checkout', '-q', '-b', 'changed']);
  data.change(folder);
  measure(tool, 'add again, 2 % changed', root, tool.add);
  tool.checkAdded(root, data, 1);
  data.check(folder, 1);
  commit(root, 'Second version');
}

/** What leaves the repository as it was: begins and ends on the branch `changed`. */
function measureKept(tool, root) {
  const folder = join(root, 'data');
  // The first look after a change may read files whose times say too little; what is measured is the everyday one.
  for (const command of tool.status) run(root, command);
  tool.checkStatus(measure(tool, 'status, nothing changed', root, tool.status));

  measure(tool, 'branch switch, 2 % differ', root, tool.switch('main'));
  data.check(folder, 0);

  run(root, ['git', 'branch', '-f', 'same-data']);
  measure(tool, 'branch switch, the same data', root, [['git', 'checkout', '-q', 'same-data']]);
  run(root, ['git', 'checkout', '-q', 'main']);

  renameSync(folder, `${root}-before-${asides++}`);
  measure(tool, 'full checkout, empty workspace', root, tool.restore);
  data.check(folder, 0);
}

/** To a folder as remote, and back into a clone that has nothing yet. */
function measureTransfer(tool, root, remote) {
  measure(tool, 'push to a folder', root, tool.push);
  checkRemote(remote);
  const clone = `${root}-clone`;
  run(top, ['git', 'clone', '-q', '--branch', 'main', root, clone]);
  tool.prepareClone?.(clone);
  measure(tool, 'pull from a folder into a clone', clone, tool.pull);
  data.check(join(clone, 'data'), 0);
  putAside(clone);
}

for (let round = 0; round < runs; round++) {
  console.error(`round ${round + 1} of ${runs}`);
  for (const tool of tools) {
    const root = join(top, tool.name);
    const remote = join(top, `${tool.name}-remote`);
    const fresh = round < freshRounds;
    if (fresh) measureFresh(tool, root, remote);
    measureKept(tool, root);
    if (fresh && tool.push) measureTransfer(tool, root, remote);
    for (const command of tool.switch('changed')) run(root, command);
    data.check(join(root, 'data'), 1);
  }
}

const names = ['dv', ...tools.map((tool) => tool.name).filter((name) => name !== 'dv')];
const lines = [
  table(results, names),
  ...(memory.size > 0
    ? ['', 'Peak memory of the largest process, MiB, median:', '', table(memory, names)]
    : []),
].join('\n');
console.log(lines);
const report = [
  `${files.toLocaleString('en')} files of ${size.toLocaleString('en')} bytes, incompressible, in folders of 500. ` +
    'Seconds, median; in brackets how many times as long as dv.',
  '',
  lines,
  '',
  `- Machine: ${machine(top)}; load average when it started: ${loadBefore}.`,
  `- Versions: ${tools.map((tool) => tool.version()).join(', ')}.`,
].join('\n');
writeReport(values.out, values.section, report);
console.error(`written to ${values.out}`);
