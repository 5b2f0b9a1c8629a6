/** `dv doctor`: looks at everything dv depends on and says what to mend. Changes nothing but small probes it removes. */

import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemCode } from '../errors.ts';
import { withoutSecrets } from '../model/redact.ts';
import { packFileName, packsFolder, packsOf } from '../store/cache-packs.ts';
import { chooseLinkMode } from '../store/link.ts';
import { listFolder } from '../store/list-folder.ts';
import type { Repo } from '../store/repo.ts';

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, e.g. `git`, `hooks`, `cache`. */
  readonly name: string;
  /** `good`; `note`: works, but could be better or is not set up; `bad`: something will not work. */
  readonly state: 'good' | 'note' | 'bad';
  readonly text: string;
  /** What to type to mend it. */
  readonly hint?: string;
}

/** What surrounds the program. */
export interface DoctorOptions {
  /** Undefined outside a repository. */
  readonly repo: Repo | undefined;
  /** `process.versions.node`. */
  readonly nodeVersion: string;
  /** For the child processes that try native libraries. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** The oldest Node dv runs on. */
const oldestNode = [20, 19] as const;

/** Looks at everything but the hooks, which are not core's. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const { repo } = options;
  return [
    examineNode(options.nodeVersion),
    ...(repo === undefined
      ? []
      : [
          examineGit(repo),
          examineCache(repo),
          ...examinePacks(repo),
          examineLinks(repo),
          ...examineRemotes(repo),
        ]),
    ...(await examineTraining(options)),
  ];
}

function examineNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1]);
  return old
    ? {
        name: 'node',
        state: 'bad',
        text: `${version} is older than ${oldestNode.join('.')}`,
        hint: 'install a newer Node: https://nodejs.org',
      }
    : { name: 'node', state: 'good', text: version };
}

function examineGit(repo: Repo): Finding {
  if (!repo.git.available) {
    return {
      name: 'git',
      state: 'note',
      text: 'not on PATH: dv reads the repository itself, but hooks and commits need git',
      hint: 'install git',
    };
  }
  const version = repo.git
    .output(['--version'])
    .trim()
    .replace(/^git version /, '');
  return { name: 'git', state: 'good', text: version };
}

/** Number of the objects in a cache, and bytes of the files that hold them. */
export function measureCache(objectsDir: string): { objects: number; bytes: number } {
  let objects = 0;
  let bytes = 0;
  for (const { sizeBytes, columns } of packsOf({ objectsDir }).list()) {
    objects += columns.lengths.length;
    bytes += sizeBytes;
  }
  for (const folder of listFolder(objectsDir)) {
    if (folder.length !== 2) continue;
    for (const name of listFolder(join(objectsDir, folder))) {
      // An object can go while we look, when a gc runs.
      const info = statSync(join(objectsDir, folder, name), { throwIfNoEntry: false });
      if (info?.isFile()) {
        objects++;
        bytes += info.size;
      }
    }
  }
  return { objects, bytes };
}

const nearestFolder = (path: string): string => (existsSync(path) ? path : nearestFolder(dirname(path)));
const sizeUnits = ['B', 'kB', 'MB', 'GB', 'TB'];

function formatSize(bytes: number): string {
  const unit = Math.min(sizeUnits.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${(bytes / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${sizeUnits[unit]}`;
}

function examineCache(repo: Repo): Finding {
  const folder = nearestFolder(repo.objectsDir);
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    return {
      name: 'cache',
      state: 'bad',
      text: `${repo.objectsDir} is not writable`,
      hint: 'make it writable, or choose another: git config dv.cache.dir <folder>',
    };
  }
  const { objects, bytes } = measureCache(repo.objectsDir);
  const disk = statfsSync(folder);
  const free = disk.bavail * disk.bsize;
  return {
    name: 'cache',
    state: free < 1e9 ? 'note' : 'good',
    text: `${objects} objects, ${formatSize(bytes)} in ${repo.objectsDir}; ${formatSize(free)} free`,
    ...(free < 1e9 ? { hint: 'free some space, or move the cache: git config dv.cache.dir <folder>' } : {}),
  };
}

/** Packs that do not say, or not rightly, what is in them: it counts as missing. */
function examinePacks(repo: Repo): Finding[] {
  const folder = packsFolder(repo.objectsDir);
  const names = listFolder(folder).filter((name) => packFileName.test(name));
  const readable = new Set(
    packsOf(repo)
      .list()
      .filter(({ columns }) => columns.isWhole())
      .map(({ path }) => path),
  );
  // One that gc took away in between is no broken one.
  const broken = names
    .map((name) => `${folder}/${name}`)
    .filter((path) => !readable.has(path) && existsSync(path));
  if (broken.length === 0) return [];
  const more = broken.length === 1 ? '' : ` and ${broken.length - 1} more`;
  return [
    {
      name: 'packs',
      state: 'bad',
      text: `${broken[0]}${more} cannot be read, or not all of it: some of what was in there is missing`,
      hint: 'dv verify --repair, dv pull and dv add bring it back; then remove the file',
    },
  ];
}

function examineLinks(repo: Repo): Finding {
  const mode = chooseLinkMode(repo);
  const meaning = {
    reflink: 'files share their bytes with the cache until one is changed',
    copy: 'files are copies, so data takes its space twice',
    hardlink: 'files are the cached ones themselves, and read-only',
    symlink: 'files are links into the cache, and read-only',
  }[mode];
  const first = repo.config.link[0];
  const why = mode === first ? '' : `; ${first} does not work between the cache and the workspace`;
  return { name: 'links', state: 'good', text: `${mode}: ${meaning}${why}` };
}

function examineRemotes(repo: Repo): Finding[] {
  const { remotes, defaultRemote } = repo.config;
  if (remotes.size === 0) {
    return [
      {
        name: 'remote',
        state: 'note',
        text: 'none: data is only on this machine',
        hint: 'dv remote add origin s3://bucket/folder (or gs://bucket/folder, or a folder)',
      },
    ];
  }
  const listed: Finding[] = [...remotes.values()].map((remote) => ({
    name: 'remote',
    state: 'good',
    text: `${remote.name}${remote.name === defaultRemote ? ' (default)' : ''}: ${withoutSecrets(remote.url)}`,
  }));
  if (defaultRemote === undefined || !remotes.has(defaultRemote)) {
    listed.push({
      name: 'remote',
      state: 'bad',
      text:
        defaultRemote === undefined ? 'none is the default' : `the default, ${defaultRemote}, is not defined`,
      hint: `dv remote set-default ${[...remotes.keys()][0]}`,
    });
  }
  return listed;
}

/** What a native library of TensorFlow said when it was loaded. */
export type Probe =
  | { readonly outcome: 'loads' | 'absent' }
  | { readonly outcome: 'fails'; readonly reason: string };

/** Native libraries that speed up training, fastest first, with what they need. */
const nativeLibraries = [
  { name: '@tensorflow/tfjs-node-gpu', needs: 'an NVIDIA GPU with CUDA' },
  { name: '@tensorflow/tfjs-node', needs: 'a processor with AVX' },
] as const;

/**
 * Loads a library in a process of its own, as a broken native one takes its process down.
 * @param from absolute path of the file it is looked for from.
 */
export async function probeLibrary(
  name: string,
  options: { from: string; env: NodeJS.ProcessEnv; timeoutMs: number; signal?: AbortSignal },
): Promise<Probe> {
  let file: string;
  try {
    file = createRequire(options.from).resolve(name);
  } catch (error) {
    if (systemCode(error) === 'MODULE_NOT_FOUND') return { outcome: 'absent' };
    return { outcome: 'fails', reason: (error as Error).message.split('\n')[0]! };
  }
  const script = `await import(${JSON.stringify(pathToFileURL(file).href)}); process.exit(0)`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...options.env, TF_CPP_MIN_LOG_LEVEL: '2' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    let output = '';
    child.stderr.on('data', (piece: Buffer) => {
      output = (output + piece.toString()).slice(-20_000);
    });
    child.on('error', (error) => resolve({ outcome: 'fails', reason: error.message }));
    child.on('close', (status, signal) => {
      if (status === 0) resolve({ outcome: 'loads' });
      else {
        const line = /^\w*Error.*$/m.exec(output)?.[0] ?? output.trim().split('\n').at(-1);
        resolve({
          outcome: 'fails',
          reason: signal === null ? line || `exit status ${status}` : `it ended with ${signal}`,
        });
      }
    });
  });
}

async function examineTraining(options: DoctorOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, needs } of nativeLibraries) {
    const probe = await probeLibrary(name, {
      from: import.meta.filename,
      env: options.env,
      timeoutMs: 30_000,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const install = `npm install -g ${name}@4.22`;
    if (probe.outcome === 'absent') {
      findings.push({
        name: 'training',
        state: 'note',
        text: `${name} is not installed (needs ${needs})`,
        hint: install,
      });
    } else if (probe.outcome === 'fails') {
      findings.push({
        name: 'training',
        state: 'note',
        text: `${name} does not load: ${probe.reason}`,
        hint: `npm uninstall -g ${name} && ${install}`,
      });
    } else {
      findings.push({
        name: 'training',
        state: 'good',
        text: `${name} loads; steps of this dv do not use it yet`,
      });
    }
  }
  findings.push({
    name: 'training',
    state: 'good',
    text: 'steps train and evaluate on WebAssembly with SIMD kernels, which needs nothing else',
  });
  return findings;
}
