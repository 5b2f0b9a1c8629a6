// How each tool sends a folder to S3 and brings it back, each as its own documentation says.
// A step is a list of commands, timed as one. `where` = { endpoint, bucket, root, source, clone }.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capture, run } from './run.mjs';

const dvMain = fileURLToPath(new URL('../dist/bin/main.js', import.meta.url));
const bareLoop = fileURLToPath(new URL('./bare-loop.mjs', import.meta.url));
const dv = (...args) => [process.execPath, dvMain, ...args];
const dvc = (...args) => [process.env.DVC ?? 'dvc', ...args];
const git = (...args) => ['git', ...args];
const rclone = (...args) => ['rclone', ...args];

const commitAll = (root, message) => {
  run(root, git('add', '-A'));
  run(root, git('commit', '-q', '--allow-empty', '-m', message));
};

/** A tool that keeps data beside git: its workspace is a repository with the folder `data`. */
const versioned = (tool) => ({
  again: true,
  prepare({ root, endpoint, bucket }) {
    run(root, git('init', '-q'));
    tool.init(root, endpoint, bucket);
  },
  record({ root }) {
    run(root, tool.add);
    commitAll(root, 'Data');
  },
  dataFolder: ({ root }) => join(root, 'data'),
  push: () => [tool.push],
  preparePull({ root, clone }) {
    run('/', git('clone', '-q', root, clone));
    tool.prepareClone?.(root, clone);
  },
  pull: () => [tool.pull],
  pulledFolder: ({ clone }) => join(clone, 'data'),
  pullFrom: ({ clone }) => clone,
  ...tool.names,
});

const dvTool = versioned({
  names: { name: 'dv', version: () => capture('/', dv('--version')).toString().trim() },
  init(root, endpoint, bucket) {
    run(root, dv('init', '--no-hooks'));
    run(root, dv('remote', 'add', 'store', `s3://${bucket}/dv`, '--endpoint', endpoint));
  },
  add: dv('add', '-q', 'data'),
  push: dv('push'),
  pull: dv('pull'),
  // Whoever clones agrees once to where the endpoint is.
  prepareClone(root, clone) {
    const endpoint = capture(root, git('config', 'dv.remote.store.endpoint')).toString().trim();
    run(clone, git('config', 'dv.remote.store.endpoint', endpoint));
  },
});

const dvcTool = versioned({
  names: {
    name: 'DVC',
    version: () => `DVC ${capture('/', dvc('--version')).toString().trim()}`,
    // Without its package for S3 it is no use here.
    available() {
      if (!/\bs3\b/.test(capture('/', dvc('version')).toString())) throw new Error('no dvc-s3');
    },
  },
  init(root, endpoint, bucket) {
    run(root, dvc('init', '-q'));
    run(root, dvc('remote', 'add', '-q', '-d', 'store', `s3://${bucket}/dvc`));
    run(root, dvc('remote', 'modify', 'store', 'endpointurl', endpoint));
  },
  add: dvc('add', '-q', 'data'),
  push: dvc('push', '-q'),
  pull: dvc('pull', '-q'),
});

/** A tool that copies the plain folder. */
const copying = (tool) => ({
  prepare() {},
  record() {},
  dataFolder: ({ root }) => join(root, 'data'),
  preparePull: ({ clone }) => mkdirSync(clone, { recursive: true }),
  pullFrom: ({ clone }) => clone,
  ...tool,
});

const rcloneTool = copying({
  name: 'rclone',
  again: true,
  version: () => capture('/', rclone('version')).toString().split('\n')[0].trim(),
  push: ({ bucket }) => [
    rclone('copy', '-q', '--transfers', '64', '--checkers', '64', 'data', `bench:${bucket}/rclone`),
  ],
  pull: ({ bucket }) => [
    rclone('copy', '-q', '--transfers', '64', '--checkers', '64', `bench:${bucket}/rclone`, 'data'),
  ],
  pulledFolder: ({ clone }) => join(clone, 'data'),
});

const tarTool = copying({
  name: 'one tar',
  again: false,
  version: () => undefined,
  available: rcloneTool.version,
  record: ({ root }) => run(root, ['tar', '-cf', 'data.tar', 'data']),
  push: ({ bucket }) => [rclone('copyto', '-q', 'data.tar', `bench:${bucket}/data.tar`)],
  pull: ({ bucket }) => [rclone('copyto', '-q', `bench:${bucket}/data.tar`, 'data.tar')],
});

const bareTool = copying({
  name: 'bare loop',
  again: false,
  version: () => undefined,
  push: ({ endpoint, bucket }) => [[process.execPath, bareLoop, 'push', 'data', endpoint, bucket, 'bare']],
  pull: ({ endpoint, bucket }) => [[process.execPath, bareLoop, 'pull', '.', endpoint, bucket, 'bare']],
});

/** The tools this machine has, dv first. @param wanted names, or undefined for all. */
export function remoteTools(wanted) {
  return [dvTool, dvcTool, rcloneTool, tarTool, bareTool].filter((tool) => {
    if (wanted !== undefined && !wanted.includes(tool.name)) return false;
    try {
      (tool.available ?? tool.version)();
      return true;
    } catch {
      console.error(`${tool.name} is not installed (DVC also needs dvc[s3]) and left out`);
      return false;
    }
  });
}
