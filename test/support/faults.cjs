/**
 * Loaded into a child process with NODE_OPTIONS=--require: makes system calls fail, or writes down which are made.
 * DV_TEST_FAULT is JSON: { code, calls: [names of node:fs functions], path: part of a path, nth: which of the calls that match
 * fails (from 1; 0: all) }. DV_TEST_READS names a file that gets a line per opened file whose path has DV_TEST_READS_BELOW in it.
 */
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const fault = process.env.DV_TEST_FAULT ? JSON.parse(process.env.DV_TEST_FAULT) : undefined;
const real = { ...fs };
const pathOf = new Map();
let seen = 0;

/** The path behind /proc/self/fd/N/name, so that a fault can be aimed at it. */
function plain(path) {
  const match = typeof path === 'string' ? /^\/proc\/self\/fd\/(\d+)(\/.*)?$/.exec(path) : null;
  if (match === null) return String(path);
  return `${pathOf.get(Number(match[1])) ?? real.readlinkSync(`/proc/self/fd/${match[1]}`)}${match[2] ?? ''}`;
}

const describe = (target) => (typeof target === 'number' ? (pathOf.get(target) ?? '') : plain(target));

/** Only a call that makes a file can find the disk full. */
const makes = (flags) =>
  typeof flags === 'string'
    ? /[wa]/.test(flags)
    : typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0;

function failing(name, target, flags) {
  if (fault === undefined || !fault.calls.includes(name)) return false;
  if (name === 'openSync' && fault.code === 'ENOSPC' && !makes(flags)) return false;
  if (!describe(target).includes(fault.path ?? '')) return false;
  seen++;
  return fault.nth === 0 || fault.nth === undefined || seen === fault.nth;
}

function wrap(name) {
  const original = real[name];
  fs[name] = (...args) => {
    if (failing(name, args[0], args[1])) {
      const where = describe(args[0]);
      if (process.env.DV_TEST_FAULT_LOG)
        real.appendFileSync(process.env.DV_TEST_FAULT_LOG, `${name} ${where}\n`);
      throw Object.assign(new Error(`${fault.code}: injected, ${name} '${where}'`), {
        code: fault.code,
        syscall: name,
      });
    }
    const result = original(...args);
    if (name === 'openSync') {
      pathOf.set(result, plain(args[0]));
      const below = process.env.DV_TEST_READS_BELOW;
      const isFolder = typeof args[1] === 'number' && (args[1] & fs.constants.O_DIRECTORY) !== 0;
      if (below && !isFolder && plain(args[0]).includes(below))
        real.appendFileSync(process.env.DV_TEST_READS, `${plain(args[0])}\n`);
    }
    return result;
  };
}

for (const name of [
  'openSync',
  'writeSync',
  'readSync',
  'renameSync',
  'mkdirSync',
  'unlinkSync',
  'fsyncSync',
  'linkSync',
  'symlinkSync',
  'writeFileSync',
  'copyFileSync',
  'rmdirSync',
  'readFileSync',
])
  wrap(name);
syncBuiltinESMExports();
