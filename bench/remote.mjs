// Sending a folder to S3 and bringing it back: dv, DVC, rclone, and as floors one tar and a bare loop with the same client
// library; with and without latency; requests and bytes as a proxy counts them.
//   node bench/remote.mjs [--files 50000] [--size 10240] [--distant-files 5000] [--latency 30] [--large 3]
//     [--large-size 1073741824] [--runs 3] [--tools dv,rclone] [--out docs/benchmarks.md]
// The server is versitygw, as in `npm run test:servers`. DVC=/path/to/dvc names a dvc that is not on PATH.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { build } from 'esbuild';
import { Dataset } from './dataset.mjs';
import { remoteTools } from './remote-tools.mjs';
import { countTable, machine, table, writeReport } from './report.mjs';
import { addEnvironment, isolate, putAside, timeAsync } from './run.mjs';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '50000' },
    size: { type: 'string', default: '10240' },
    'distant-files': { type: 'string', default: '5000' },
    latency: { type: 'string', default: '30' },
    large: { type: 'string', default: '3' },
    'large-size': { type: 'string', default: String(2 ** 30) },
    runs: { type: 'string', default: '3' },
    tools: { type: 'string' },
    out: { type: 'string', default: fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url)) },
  },
});
const [files, size, distantFiles, latency, large, largeSize, runs] = [
  'files',
  'size',
  'distant-files',
  'latency',
  'large',
  'large-size',
  'runs',
].map((name) => {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name} is a whole number`);
  return number;
});

const loadBefore = loadavg()[0].toFixed(1);
const top = mkdtempSync(join(tmpdir(), 'dv-bench-'));
const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(top, { recursive: true, force: true });
});
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
isolate(top);

/** The tests' own way to start the server, turned into JavaScript. */
async function startServer() {
  const outfile = join(top, 'versitygw.mjs');
  const entry = fileURLToPath(new URL('../test/servers/versitygw.ts', import.meta.url));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  const { runVersitygw } = await import(outfile);
  const folder = join(top, 'server');
  mkdirSync(folder);
  return runVersitygw(folder);
}

/** Starts a proxy with a latency, and gives its URL and a function that reads its counts and sets them to zero. */
async function startProxy(endpoint, latencyMs) {
  const { hostname, port } = new URL(endpoint);
  const script = fileURLToPath(new URL('./wire-proxy.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, hostname, port, String(latencyMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = await once(child.stdout, 'data');
  const [proxyPort, controlPort] = line.toString().trim().split(' ');
  return {
    url: `http://127.0.0.1:${proxyPort}`,
    counts: async () => (await fetch(`http://127.0.0.1:${controlPort}/counts`)).json(),
  };
}

const server = await startServer();
process.on('exit', () => server[Symbol.asyncDispose]());
const { accessKeyId, secretAccessKey } = server.credentials;
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
addEnvironment({
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
  RCLONE_CONFIG_BENCH_TYPE: 's3',
  RCLONE_CONFIG_BENCH_PROVIDER: 'Other',
  RCLONE_CONFIG_BENCH_ENV_AUTH: 'true',
  RCLONE_CONFIG_BENCH_FORCE_PATH_STYLE: 'true',
});
const near = await startProxy(server.endpoint, 0);
const far = await startProxy(server.endpoint, latency);
const admin = new S3Client({
  endpoint: server.endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: server.credentials,
});
const tools = remoteTools(values.tools?.split(','));

/** step → tool → list, of seconds, requests, MiB on the wire, MiB of memory. */
const results = { seconds: new Map(), requests: new Map(), wire: new Map(), memory: new Map() };
const note = (kind, step, tool, value) => {
  const ofStep = results[kind].get(step) ?? new Map();
  results[kind].set(step, ofStep);
  ofStep.set(tool.name, [...(ofStep.get(tool.name) ?? []), value]);
};

async function measure(tool, step, proxy, cwd, commands) {
  await proxy.counts();
  const { seconds, peakMiB } = await timeAsync(cwd, commands);
  const { requests, sentBytes, receivedBytes } = await proxy.counts();
  note('seconds', step, tool, seconds);
  note('requests', step, tool, requests);
  note('wire', step, tool, (sentBytes + receivedBytes) / 2 ** 20);
  if (peakMiB !== undefined) note('memory', step, tool, peakMiB);
  console.error(
    `  ${tool.name.padEnd(10)}${step.padEnd(44)}${seconds.toFixed(2)} s, ${requests} requests, ${peakMiB?.toFixed(0)} MiB`,
  );
}

/** Folders of so few files are removed at once: what matters of them is their bytes. */
const fewFiles = 100;

let number = 0;
/** One tool, one set of files, from an empty bucket: push, again, changed, and back. */
async function measureSet(tool, proxy, { name, data, source, changes }) {
  const bucket = `bench-${number++}`;
  await admin.send(new CreateBucketCommand({ Bucket: bucket }));
  addEnvironment({ RCLONE_CONFIG_BENCH_ENDPOINT: proxy.url });
  const root = join(top, `work-${number}`);
  const where = { endpoint: proxy.url, bucket, root, clone: `${root}-clone` };
  mkdirSync(root);
  tool.prepare(where);
  cpSync(source, tool.dataFolder(where), { recursive: true });
  tool.record(where);
  await measure(tool, `push ${name}`, proxy, root, tool.push(where));
  if (changes && tool.again) {
    await measure(tool, `push ${name} again`, proxy, root, tool.push(where));
    data.change(tool.dataFolder(where));
    tool.record(where);
    await measure(tool, `push ${name}, 2 % changed`, proxy, root, tool.push(where));
  }
  tool.preparePull(where);
  await measure(tool, `pull ${name}`, proxy, tool.pullFrom(where), tool.pull(where));
  if (tool.pulledFolder) data.check(tool.pulledFolder(where), changes && tool.again ? 1 : 0);
  for (const folder of [root, where.clone]) {
    if (data.files > fewFiles) putAside(folder);
    else rmSync(folder, { recursive: true, force: true });
  }
}

const count = (many) => many.toLocaleString('en');
const sets = [
  { name: `${count(files)} × ${count(size)} B`, data: new Dataset(files, size), proxy: near, changes: true },
  {
    name: `${count(distantFiles)} × ${count(size)} B, ${latency} ms`,
    data: new Dataset(distantFiles, size),
    proxy: far,
    changes: true,
  },
  {
    name: `${large} × ${count(largeSize)} B`,
    data: new Dataset(large, largeSize),
    proxy: near,
    changes: false,
  },
].filter(({ data }) => data.files > 0);
for (const [i, set] of sets.entries()) {
  set.source = join(top, `source-${i}`);
  set.data.write(set.source);
}
for (let round = 0; round < runs; round++) {
  console.error(`round ${round + 1} of ${runs}`);
  for (const set of sets) for (const tool of tools) await measureSet(tool, set.proxy, set);
}
await server[Symbol.asyncDispose]();

const names = tools.map((tool) => tool.name);
const report = [
  `Seconds, median of ${runs}; in brackets how many times as long as dv.`,
  '',
  table(results.seconds, names),
  '',
  'Requests, as a proxy between tool and server counted them:',
  '',
  countTable(results.requests, names, 0),
  '',
  'MiB on the wire, both ways:',
  '',
  countTable(results.wire, names, 1),
  ...(results.memory.size === 0
    ? []
    : ['', 'MiB of memory at most, of the largest process:', '', countTable(results.memory, names, 0)]),
  '',
  `- Machine: ${machine(top)}; load average when it started: ${loadBefore}.`,
  `- Versions: ${tools
    .map((tool) => tool.version())
    .filter(Boolean)
    .join(', ')}; server versitygw v1.8.0 on the same machine.`,
].join('\n');
console.log(report);
writeReport(values.out, 'remote', report);
console.error(`written to ${values.out}`);
process.exit(0);
