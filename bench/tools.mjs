// How each tool does what is measured, each as its own documentation says and with its default settings.
// A step is a list of commands, timed as one; a check throws when the tool did not do what it was timed for.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capture, run } from './run.mjs';

const dvMain = fileURLToPath(new URL('../dist/bin/main.js', import.meta.url));
const dv = (...args) => [process.execPath, dvMain, ...args];
const git = (...args) => ['git', ...args];
const dvcProgram = process.env.DVC ?? 'dvc';
const dvc = (...args) => [dvcProgram, ...args];

/** Fails unless some command of a step said what it says when nothing differs. */
function expectOutput(output, wanted, tool) {
  if (!wanted.test(output)) throw new Error(`${tool} status found a difference:\n${output.slice(0, 500)}`);
}

/** Fails unless a pointer file says that it stands for all files. */
function expectCount(file, wanted) {
  const text = readFileSync(file, 'utf8');
  if (!wanted.test(text)) throw new Error(`${file} does not match ${wanted}:\n${text}`);
}

/** Fails unless git's index holds these bytes under a path. */
function expectStaged(root, path, wanted) {
  if (!capture(root, git('cat-file', 'blob', `:${path}`)).equals(wanted))
    throw new Error(`git's index in ${root} does not hold the new ${path}`);
}

const plainGit = {
  name: 'git',
  version: () => capture('/', git('--version')).toString().trim().replace('git version ', 'git '),
  init: () => {},
  add: [git('add', '-A', 'data')],
  checkAdded: (root, data, version) => expectStaged(root, `data/${data.path(0)}`, data.content(0, version)),
  status: [git('status', '--porcelain')],
  checkStatus: (output) => expectOutput(output, /^$/, 'git'),
  switch: (branch) => [git('checkout', '-q', branch)],
  restore: [git('checkout', '-q', '--', 'data')],
};

const lfs = {
  ...plainGit,
  name: 'git-lfs',
  version: () => capture('/', git('lfs', 'version')).toString().trim().split(' ')[0].replace('/', ' '),
  init(root) {
    run(root, git('lfs', 'install', '--local'));
    run(root, git('lfs', 'track', 'data/**'));
  },
  checkAdded(root, data, version) {
    const content = data.content(0, version);
    const id = createHash('sha256').update(content).digest('hex');
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${id}\nsize ${content.length}\n`;
    expectStaged(root, `data/${data.path(0)}`, Buffer.from(pointer));
    const stored = join(root, '.git/lfs/objects', id.slice(0, 2), id.slice(2, 4), id);
    if (!readFileSync(stored).equals(content))
      throw new Error(`${stored} does not hold the bytes of its name`);
  },
};

const dvcTool = {
  name: 'DVC',
  version: () => `DVC ${capture('/', dvc('--version')).toString().trim()}`,
  init(root, remote) {
    run(root, dvc('init', '-q'));
    run(root, dvc('remote', 'add', '-q', '--default', 'storage', remote));
  },
  add: [dvc('add', 'data')],
  checkAdded: (root, data) => expectCount(join(root, 'data.dvc'), new RegExp(`nfiles: ${data.files}\\n`)),
  status: [dvc('status')],
  checkStatus: (output) => expectOutput(output, /up to date/, 'dvc'),
  switch: (branch) => [git('checkout', '-q', branch), dvc('checkout')],
  restore: [dvc('checkout')],
  push: [dvc('push')],
  pull: [dvc('pull')],
};

const dvTool = {
  name: 'dv',
  version: () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    return `dv ${version} on Node ${process.versions.node}`;
  },
  init(root, remote) {
    run(root, dv('init'));
    run(root, dv('remote', 'add', 'storage', remote));
  },
  add: [dv('add', 'data')],
  checkAdded: (root, data) => expectCount(join(root, 'data.dv'), new RegExp(`^files: ${data.files}$`, 'm')),
  status: [dv('status', '--check')],
  // With --check, a difference is an exit status.
  checkStatus: () => {},
  // The hook that dv init installed brings the data.
  switch: (branch) => [git('checkout', '-q', branch)],
  restore: [dv('checkout')],
  push: [dv('push')],
  pull: [dv('pull')],
  prepareClone: (root) => run(root, dv('init')),
};

/** The same tools with hard links instead of copies between their store and the workspace. */
const dvcLinked = {
  ...dvcTool,
  name: 'DVC linked',
  init(root, remote) {
    dvcTool.init(root, remote);
    run(root, dvc('config', 'cache.type', 'hardlink'));
  },
};
const dvLinked = {
  ...dvTool,
  name: 'dv linked',
  init(root, remote) {
    dvTool.init(root, remote);
    run(root, git('config', 'dv.cache.link', 'hardlink,copy'));
  },
  prepareClone(root) {
    dvTool.prepareClone(root);
    run(root, git('config', 'dv.cache.link', 'hardlink,copy'));
  },
};

/**
 * The tools this machine has, in the order of a round.
 * @param wanted names; by default all but those with links.
 */
export function installedTools(wanted = ['git', 'git-lfs', 'DVC', 'dv']) {
  const tools = [plainGit, lfs, dvcTool, dvcLinked, dvTool, dvLinked];
  for (const name of wanted)
    if (!tools.some((tool) => tool.name === name)) throw new Error(`no tool is called ${name}`);
  return tools.filter((tool) => {
    if (!wanted.includes(tool.name)) return false;
    if (tool === dvTool || tool === dvLinked) return true;
    try {
      tool.version();
      return true;
    } catch {
      console.error(`${tool.name} is not installed and left out`);
      return false;
    }
  });
}

/** Fails when a remote is still empty. */
export function checkRemote(folder) {
  if (readdirSync(folder).length === 0) throw new Error(`${folder} is empty after a push`);
}
