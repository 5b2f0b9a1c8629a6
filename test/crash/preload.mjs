// Loaded into `dv` before anything else (NODE_OPTIONS=--import …): counts the calls that write to a file system, on the
// main thread and on worker threads together, and kills the process before or in the middle of the n-th.
//
//   DV_CRASH_AT=n        kill before the n-th writing call (1 is the first)
//   DV_CRASH_MIDDLE=1    … or in the middle of it: half of the bytes are written, half of a folder is removed
//   DV_CRASH_LOG=FILE    append the name of every writing call, to learn how many there are
//
// Flushes are not counted: to a process that is killed, before and after one are the same.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

const { DV_CRASH_AT: at, DV_CRASH_MIDDLE: middle, DV_CRASH_LOG: log } = process.env;
const original = { ...fs };
const logFile = log === undefined ? undefined : original.openSync(log, 'a');

if (getEnvironmentData('dv-crash-count') === undefined) {
  setEnvironmentData('dv-crash-count', new Int32Array(new SharedArrayBuffer(4)));
}
const count = getEnvironmentData('dv-crash-count');

const die = () => process.kill(process.pid, 'SIGKILL');

/** To be called before a writing call; `half` does half of it, where there is such a thing. */
function before(name, half) {
  const n = Atomics.add(count, 0, 1) + 1;
  if (logFile !== undefined) original.writeSync(logFile, `${name}${half === undefined ? '' : ' +'}\n`);
  if (at !== String(n)) return;
  if (middle !== undefined) half?.();
  die();
}

const there = (path) => original.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
const writes = (flags) =>
  typeof flags === 'number'
    ? (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR | fs.constants.O_CREAT)) !== 0
    : flags !== undefined && flags !== 'r' && flags !== 'rs';

/** The first half of what a write was given. */
function halfOf(data, offset, length) {
  const bytes =
    typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const from = typeof offset === 'number' ? offset : 0;
  const all = typeof length === 'number' ? length : bytes.length - from;
  return bytes.subarray(from, from + Math.floor(all / 2));
}

/** Removes what comes first in a folder, and leaves the rest. */
function removeFirst(path) {
  const info = original.lstatSync(path, { throwIfNoEntry: false });
  if (!info?.isDirectory()) return;
  const [first] = original.readdirSync(path);
  if (first !== undefined) original.rmSync(`${path}/${first}`, { recursive: true, force: true });
}

/** What to do before each call, by its name without `Sync`: false when it will write nothing. */
const guards = {
  open: (_path, flags) => writes(flags) && before('open'),
  write: (file, data, offset, length) =>
    before('write', () => original.writeSync(file, halfOf(data, offset, length))),
  writev: () => before('writev'),
  writeFile: (path, data) => before('writeFile', () => original.writeFileSync(path, halfOf(data))),
  appendFile: () => before('appendFile'),
  rename: () => before('rename'),
  unlink: () => before('unlink'),
  rm: (path, options) =>
    there(path) && before('rm', options?.recursive ? () => removeFirst(path) : undefined),
  mkdir: (path) => !there(path) && before('mkdir'),
  mkdtemp: () => before('mkdtemp'),
  rmdir: () => before('rmdir'),
  link: () => before('link'),
  symlink: () => before('symlink'),
  copyFile: (from, to) =>
    before('copyFile', () => original.writeFileSync(to, halfOf(original.readFileSync(from)))),
  cp: (_from, to) => before('cp', () => original.mkdirSync(to, { recursive: true })),
  chmod: () => before('chmod'),
  fchmod: () => before('fchmod'),
  truncate: () => before('truncate'),
  ftruncate: () => before('ftruncate'),
  utimes: () => before('utimes'),
  futimes: () => before('futimes'),
  lutimes: () => before('lutimes'),
};

const guarded = (call, guard) =>
  function (...args) {
    guard(...args);
    return Reflect.apply(call, this, args);
  };

for (const [name, guard] of Object.entries(guards)) {
  for (const key of [name, `${name}Sync`]) {
    if (typeof fs[key] === 'function') fs[key] = guarded(fs[key], guard);
  }
  if (typeof fs.promises[name] === 'function') fs.promises[name] = guarded(fs.promises[name], guard);
}
// What `open` of the promises gives writes by its own methods.
const handle = await fs.promises.open(process.execPath, 'r');
const prototype = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['write', 'writev', 'writeFile', 'appendFile', 'truncate', 'chmod', 'utimes']) {
  const half = name === 'write' ? (file, args) => original.writeSync(file, halfOf(...args)) : undefined;
  const call = prototype[name];
  prototype[name] = function (...args) {
    before(`handle.${name}`, half && (() => half(this.fd, args)));
    return Reflect.apply(call, this, args);
  };
}
syncBuiltinESMExports();
