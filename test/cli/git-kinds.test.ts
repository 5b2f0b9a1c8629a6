/** Repositories of every kind git makes: data is added, switched, merged and compared in each as in a plain one. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mainScript, type Outcome, type TestRepo, testRepo } from '../support/repo.ts';

/** A folder with a repository of the world in it. */
interface Folder {
  readonly root: string;
  git(...args: string[]): Promise<string>;
  dv(...args: string[]): Promise<Outcome>;
  read(path: string): string;
  write(path: string, content: string): void;
  has(path: string): boolean;
}

/** Another folder of the world as a repository; git and dv must succeed in it. */
function folderAt(repo: TestRepo, root: string, env: Record<string, string> = {}): Folder {
  const run = async (program: string, args: readonly string[]) => {
    const outcome = await repo.run(program, args, { cwd: root, env });
    expect({ program, args, ...outcome }).toMatchObject({ status: 0 });
    return outcome;
  };
  return {
    root,
    git: async (...args) => (await run('git', args)).stdout,
    dv: (...args) => run(process.execPath, [mainScript, ...args]),
    read: (path) => readFileSync(join(root, path), 'utf8'),
    write: (path, content) => writeFileSync(join(root, path), content),
    has: (path) => existsSync(join(root, path)),
  };
}

const topOf = (repo: TestRepo) => folderAt(repo, repo.root);

/** Records a change of files as data and commits it. */
async function record(folder: Folder, data: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) folder.write(path, content);
  await folder.dv('add', data);
  await folder.git('add', '--all');
  await folder.git('commit', '--quiet', '--message', 'more');
}

/** From one version of `data` (files a and b) to two branches and their merge, each step looked at. */
async function walkThrough(folder: Folder, data = 'data'): Promise<void> {
  const [a, b] = [`${data}/a`, `${data}/b`];
  await folder.git('checkout', '--quiet', '-b', 'theirs');
  await record(folder, data, { [a]: 'theirs' });
  await folder.git('checkout', '--quiet', '-');
  expect(folder.read(a)).toBe('1');
  await record(folder, data, { [b]: 'ours' });
  await folder.git('merge', '--quiet', 'theirs');
  expect([folder.read(a), folder.read(b)]).toEqual(['theirs', 'ours']);
  await folder.git('reset', '--quiet', '--hard', 'HEAD~1');
  expect([folder.read(a), folder.read(b)]).toEqual(['1', 'ours']);
  expect((await folder.dv('status')).stdout).toContain('1 path as recorded');
  expect(await folder.git('show', '--format=', 'theirs')).toMatch(/^\+a {2}6 B/m);
}

const twoFiles = { 'data/a': '1', 'data/b': '1' };

async function withData(repo: TestRepo): Promise<TestRepo> {
  await repo.dvOk('add', 'data');
  await repo.commit('one');
  return repo;
}

describe('object formats and stores', () => {
  test('SHA-256', async () => {
    await using repo = await testRepo(twoFiles, { git: false });
    await repo.git('init', '--quiet', '--object-format=sha256');
    await repo.dvOk('init');
    await walkThrough(topOf(await withData(repo)));
  });

  test('reftable', async (context) => {
    await using repo = await testRepo(twoFiles, { git: false });
    const made = await repo.tryGit('init', '--quiet', '--ref-format=reftable');
    context.skip(made.status !== 0, 'this git has no reftable');
    await repo.dvOk('init');
    await walkThrough(topOf(await withData(repo)));
  });

  test('a clone without blobs, and a shallow one', async () => {
    await using repo = await testRepo(twoFiles, { init: true });
    await withData(repo);
    repo.write('data/a', '2');
    await repo.dvOk('add', 'data');
    await repo.commit('two');
    await repo.git('config', 'uploadpack.allowFilter', 'true');
    for (const option of ['--filter=blob:none', '--depth=1']) {
      const folder = folderAt(repo, join(repo.outside, option));
      await repo.git('clone', '--quiet', option, `file://${repo.root}`, folder.root);
      await folder.git('config', 'dv.cache.dir', join(repo.root, '.git/dv'));
      await folder.dv('init');
      await folder.dv('checkout');
      expect(folder.read('data/a')).toBe('2');
      if (option === '--depth=1') continue;
      await folder.git('checkout', '--quiet', 'HEAD~1');
      await folder.git('checkout', '--quiet', '-b', 'mine');
      await walkThrough(folder);
    }
  });
});

describe('names', () => {
  test.each(['true', 'false'])('core.quotepath=%s with umlauts and Japanese', async (value) => {
    await using repo = await testRepo({ 'Daten für 日本/a': '1', 'Daten für 日本/b': '1' }, { init: true });
    await repo.git('config', 'core.quotepath', value);
    await repo.dvOk('add', 'Daten für 日本');
    await repo.commit('one');
    await walkThrough(topOf(repo), 'Daten für 日本');
    repo.write('Daten für 日本/a', 'changed');
    expect((await repo.tryGit('commit', '--quiet', '--allow-empty', '--message', 'x')).stderr).toBe(
      "dv: Daten für 日本 has changes that are not recorded (~1): dv add 'Daten für 日本'\n",
    );
  });

  test('a path of the repository with spaces, umlauts and quotes', async () => {
    await using repo = await testRepo(twoFiles, { init: true, name: `Müller's "große" data $HOME %O` });
    await walkThrough(topOf(await withData(repo)));
  });

  test('core.ignorecase', async () => {
    await using repo = await testRepo(twoFiles, { init: true });
    await repo.git('config', 'core.ignorecase', 'true');
    await walkThrough(topOf(await withData(repo)));
  });
});

describe('core.autocrlf=true', () => {
  test('after dv init pointers keep their line ends', async () => {
    await using repo = await testRepo(twoFiles, { init: true });
    await repo.git('config', 'core.autocrlf', 'true');
    await withData(repo);
    await walkThrough(topOf(repo));
    expect(repo.read('data.dv')).not.toContain('\r');
  });

  test('a clone before it has them with CR LF, which are read, and mended by dv init', async () => {
    await using repo = await testRepo(
      {
        ...twoFiles,
        'stages.yaml':
          'version: 1\nstages:\n  copy:\n    cmd: cp data/a out\n    deps: [data]\n    outs: [out]\n',
      },
      { init: true },
    );
    await withData(repo);
    await repo.dvOk('repro');
    await repo.commit('stage');
    const folder = folderAt(repo, join(repo.outside, 'clone'));
    await repo.git('clone', '--quiet', '--config', 'core.autocrlf=true', repo.root, folder.root);
    await folder.git('config', 'dv.cache.dir', join(repo.root, '.git/dv'));
    expect(folder.read('data.dv')).toContain('\r\n');
    expect(folder.read('stages.lock')).toContain('\r\n');
    await folder.dv('checkout');
    expect([folder.read('data/a'), folder.read('out')]).toEqual(['1', '1']);
    expect((await folder.dv('status')).stdout).toContain('2 paths as recorded, 1 stage fresh');
    await folder.dv('init');
    expect(folder.read('data.dv')).not.toContain('\r');
    await folder.git('add', '--all');
    expect(await folder.git('status', '--porcelain', '--', '*.dv', 'stages.lock')).toBe('');
  });
});

test('sparse checkout: data outside the cone does not come, is not missed, and follows in and out', async () => {
  await using repo = await testRepo(
    { 'in/data/a': '1', 'out/data/a': '1', 'out/code': 'c', 'in/code': 'c' },
    { init: true },
  );
  await repo.dvOk('add', 'in/data', 'out/data');
  await repo.commit('one');
  const seen = () => [repo.exists('in/data/a'), repo.exists('out/data/a')];
  await repo.git('sparse-checkout', 'set', 'in');
  expect(seen()).toEqual([true, false]);
  expect((await repo.dvOk('status')).stdout).toBe('1 path as recorded\n');
  repo.write('in/data/a', '2');
  await repo.dvOk('add', 'in/data');
  await repo.commit('two');
  await repo.git('checkout', '--quiet', 'HEAD~1');
  expect([repo.read('in/data/a'), ...seen()]).toEqual(['1', true, false]);
  await repo.dvOk('checkout');
  expect(seen()).toEqual([true, false]);
  await repo.git('sparse-checkout', 'set', 'out');
  expect(seen()).toEqual([false, true]);
  await repo.git('sparse-checkout', 'add', 'in');
  expect(seen()).toEqual([true, true]);
  await repo.git('sparse-checkout', 'set', 'in');
  await repo.git('sparse-checkout', 'disable');
  expect(seen()).toEqual([true, true]);
  expect((await repo.dvOk('status')).stdout).toBe('2 paths as recorded\n');
});

describe('more than one folder', () => {
  test('linked worktrees share one cache, and each follows its own branch', async () => {
    await using repo = await testRepo(twoFiles, { init: true });
    await withData(repo);
    const linked = folderAt(repo, join(repo.outside, 'linked tree'));
    await repo.git('worktree', 'add', '--quiet', '-b', 'other', linked.root);
    expect(linked.read('data/a')).toBe('1');
    await walkThrough(linked);
    expect(repo.read('data/a')).toBe('1');
    await repo.git('merge', '--quiet', 'theirs');
    expect([repo.read('data/a'), linked.read('data/a')]).toEqual(['theirs', '1']);
    await linked.git('stash', '--quiet').catch(() => {});
    await linked.git('reset', '--quiet', '--hard', 'main');
    expect(linked.read('data/a')).toBe('theirs');
    expect(existsSync(join(repo.root, '.git/worktrees/linked tree/dv/objects'))).toBe(false);
  });

  test('a bare repository with worktrees', async () => {
    await using repo = await testRepo(twoFiles, { init: true });
    await withData(repo);
    const bare = join(repo.outside, 'bare.git');
    await repo.git('clone', '--quiet', '--bare', repo.root, bare);
    const folder = folderAt(repo, join(repo.outside, 'tree'));
    await repo.run('git', ['worktree', 'add', '--quiet', folder.root, 'main'], { cwd: bare });
    await folder.git('config', 'dv.cache.dir', join(repo.root, '.git/dv'));
    await folder.dv('init');
    await folder.dv('checkout');
    await walkThrough(folder);
  });

  test('dv in a submodule and in the repository around it do not touch each other', async () => {
    await using repo = await testRepo(twoFiles, { init: true });
    await withData(repo);
    await using inner = await testRepo({ 'data/a': 'inner', 'data/b': 'inner' }, { init: true });
    await withData(inner);
    await repo.git('submodule', '--quiet', 'add', inner.root, 'module');
    await repo.git('commit', '--quiet', '--message', 'module');
    const clone = folderAt(repo, join(repo.outside, 'clone'));
    await repo.git('clone', '--quiet', '--recurse-submodules', repo.root, clone.root);
    const module = folderAt(repo, join(clone.root, 'module'));
    await clone.git('config', 'dv.cache.dir', join(repo.root, '.git/dv'));
    await module.git('config', 'dv.cache.dir', join(inner.root, '.git/dv'));
    await clone.dv('init');
    await clone.dv('checkout');
    expect([clone.has('data/a'), module.has('data')]).toEqual([true, false]);
    await module.dv('init');
    await module.dv('checkout');
    expect([clone.read('data/a'), module.read('data/a')]).toEqual(['1', 'inner']);
    module.write('data/a', '1');
    await module.dv('add', 'data');
    await module.git('commit', '--quiet', '--message', 'inner');
    expect((await clone.dv('status')).stdout).toBe('1 path as recorded\n');
    await module.git('checkout', '--quiet', '-b', 'work');
    await walkThrough(module);
    await walkThrough(clone);
    expect([clone.read('data/b'), module.read('data/b')]).toEqual(['ours', 'ours']);
    await clone.git('checkout', '--quiet', '--recurse-submodules', 'origin/main');
    expect([clone.read('data/b'), module.read('data/a')]).toEqual(['1', 'inner']);
  });
});

describe('how git is told where it is', () => {
  test('GIT_DIR and GIT_WORK_TREE, from another folder', async () => {
    await using repo = await testRepo(twoFiles, { init: true });
    await withData(repo);
    const gitDir = join(repo.outside, 'elsewhere.git');
    await repo.run('mv', [join(repo.root, '.git'), gitDir]);
    const env = { GIT_DIR: gitDir, GIT_WORK_TREE: repo.root };
    await walkThrough({ ...folderAt(repo, repo.root, env) });
    const outside = folderAt(repo, repo.outside, env);
    await outside.git('checkout', '--quiet', 'theirs');
    expect(repo.read('data/a')).toBe('theirs');
  });

  test("somebody else's repository, once it is a safe.directory", async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root can give files away');
    await using repo = await testRepo(twoFiles, { init: true });
    await withData(repo);
    await repo.run('chown', ['-R', '12345:12345', repo.root]);
    const refused = await repo.dv('status');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('safe.directory');
    await repo.git('config', '--global', '--add', 'safe.directory', repo.root);
    await walkThrough(topOf(repo));
  });
});
