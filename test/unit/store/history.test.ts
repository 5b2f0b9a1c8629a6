import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { branchMatcher } from '../../../core/model/branch-pattern.ts';
import { type History, openHistory } from '../../../core/store/history.ts';
import { parseCommit } from '../../../core/store/history-objects.ts';
import { openRepo } from '../../../core/store/repo.ts';
import { type HistoryRepo, historyRepo } from '../../support/branches.ts';

const open = (world: HistoryRepo, engine: History['engine'], cwd = world.root) =>
  openHistory(openRepo({ cwd, env: world.env }), { engine });

const text = (buffers: readonly (Buffer | undefined)[]) => buffers.map((buffer) => buffer?.toString());

describe.each(['git', 'isomorphic-git'] as const)('history through %s', (engine) => {
  let world: HistoryRepo;
  let history: History;
  let first: string;
  let second: string;
  let side: string;
  let merge: string;
  let last: string;

  beforeAll(async () => {
    world = await historyRepo();
    first = await world.commitFiles('first: raw data', {
      'data/train.dv': 'version: 1\nraw\n',
      'metrics/evaluate.json': '{"accuracy": 0.66}',
      'src/deep/er/code.py': 'print(1)',
      'stages.lock': 'one',
    });
    await world.git('tag', 'v1');
    await world.git('tag', '-a', 'v1-signed-off', '-m', 'looks good');
    await world.git('tag', 'of-a-file', 'HEAD:stages.lock');
    second = await world.commitFiles('second', { 'data/train.dv': 'version: 1\nclean\n', 'data.txt': 'x' });
    side = await world.branch('data/sidé-日本', {
      'metrics/evaluate.json': '{"accuracy": 0.84}',
    });
    await world.branch('data/deep/er', { 'src/deep/er/code.py': 'print(2)' });
    await world.branch('other', { 'data/train.dv': undefined });
    await world.git('pack-refs', '--all');
    await world.git('gc', '-q');
    last = await world.commitFiles('on main', { 'README.md': 'hello' });
    await world.git('merge', '-q', '--no-ff', '-m', 'merge', 'data/sidé-日本');
    merge = await world.ask('rev-parse', 'HEAD');
    symlinkSync('stages.lock', join(world.root, 'link.dv'));
    await world.commitFiles('a link');
    // A remote with one branch that is also local and one that is not.
    await world.git('update-ref', 'refs/remotes/origin/main', second);
    await world.git('update-ref', 'refs/remotes/origin/data/v9', first);
    await world.git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/main');
    history = await open(world, engine);
  });
  afterAll(async () => {
    await history.close();
    await world[Symbol.asyncDispose]();
  });

  it('says which files a commit changed against its first parent', async () => {
    const changed = async (commit: string, matches = (_: string) => true) =>
      (await history.changedFiles([commit], matches))[0]!.map(
        ({ path, before, after }) => `${before ? (after ? '~' : '-') : '+'}${path}`,
      );
    expect(await changed(first)).toEqual([
      '+data/train.dv',
      '+metrics/evaluate.json',
      '+src/deep/er/code.py',
      '+stages.lock',
    ]);
    expect(await changed(second)).toEqual(['+data.txt', '~data/train.dv']);
    expect(await changed(second, (path) => path.endsWith('.dv'))).toEqual(['~data/train.dv']);
    expect(await changed(merge)).toEqual(['~metrics/evaluate.json']);
    const many = await history.changedFiles([second, first, last], (path) => path.endsWith('.dv'));
    expect(many.map((files) => files.length)).toEqual([1, 1, 0]);
    expect(text(await history.readBlobs([many[0]![0]!.before!.id]))).toEqual(['version: 1\nraw\n']);
  });

  it('tells a file that became a folder, and one that went away', async () => {
    const world = await historyRepo();
    await world.commitFiles('one', { a: 'file', b: 'x' });
    await world.commitFiles('two', { a: undefined, b: undefined });
    const id = await world.commitFiles('three', { 'a/b.dv': 'in a folder' });
    await using own = await open(world, engine);
    const two = (await own.resolve(`${id}~1`)).id;
    const files = await own.changedFiles([id, two], () => true);
    expect(files.map((list) => list.map(({ path }) => path))).toEqual([['a/b.dv'], ['a', 'b']]);
    await world[Symbol.asyncDispose]();
  });

  it('says who made a commit, when, and what its first line is', async () => {
    expect(await history.resolve(second)).toEqual({
      id: second,
      parents: [first],
      tree: await world.ask('rev-parse', `${second}^{tree}`),
      author: 'Ada Example',
      date: new Date(await world.ask('log', '-1', '--format=%cI', second)).toISOString(),
      subject: 'second',
    });
  });

  it('resolves what a git user types', async () => {
    const revisions = [
      'main',
      'HEAD',
      '@',
      'refs/heads/main',
      'heads/main',
      'v1',
      'tags/v1',
      'v1-signed-off',
      'v1-signed-off^{}',
      'v1^{commit}',
      'origin/data/v9',
      'origin',
      'data/sidé-日本',
      'HEAD~2',
      'HEAD~',
      'HEAD^',
      'HEAD^^2',
      'HEAD~1^2~1',
      'HEAD^0',
      'HEAD~0',
      'HEAD~~^{commit}~1',
      merge.slice(0, 9),
      merge.slice(0, 9).toUpperCase(),
      `${merge.slice(0, 12)}^2`,
      second,
    ];
    const expected = await world.ask('rev-parse', ...revisions.map((revision) => `${revision}^{commit}`));
    const resolved = await history.resolveAll(revisions);
    expect(resolved.map((commit) => commit.id)).toEqual(expected.split('\n'));
  });

  it.each([
    'nowhere',
    '',
    'HEAD~99',
    'HEAD^3',
    'v1^2',
    'of-a-file',
    'HEAD:stages.lock',
    'main\nHEAD',
    '../../HEAD',
    '--all',
    'HEAD^{tree',
    'f'.repeat(40),
    'abcd1234',
  ])('gives unknown-revision for %j', async (revision) => {
    expect(await history.find(revision)).toBeUndefined();
    await expect(history.resolve(revision)).rejects.toMatchObject({ code: 'unknown-revision' });
  });

  it('lists local branches, and those of remotes that are not here', async () => {
    const names = async (options?: Parameters<History['branches']>[0]) =>
      (await history.branches(options)).map((ref) => ref.name);
    expect(await names()).toEqual(['data/deep/er', 'data/sidé-日本', 'main', 'other']);
    expect(await names({ remotes: true })).toEqual([
      'data/deep/er',
      'data/sidé-日本',
      'main',
      'other',
      'origin/data/v9',
    ]);
    expect(await names({ remotes: true, glob: 'data/*' })).toEqual([
      'data/deep/er',
      'data/sidé-日本',
      'origin/data/v9',
    ]);
    expect((await history.branches()).find((ref) => ref.name === 'data/sidé-日本')).toEqual({
      kind: 'branch',
      name: 'data/sidé-日本',
      fullName: 'refs/heads/data/sidé-日本',
      commit: side,
      current: false,
    });
    expect((await history.currentBranch())?.name).toBe('main');
  });

  it('lists tags that lead to commits', async () => {
    expect((await history.tags()).map((tag) => [tag.name, tag.commit])).toEqual([
      ['v1', first],
      ['v1-signed-off', first],
    ]);
  });

  it('lists matching files of many commits', async () => {
    const isData = (path: string) => path.endsWith('.dv') || path === 'stages.lock';
    const listed = await history.listFiles([first, side, await world.ask('rev-parse', 'HEAD')], isData);
    expect(listed.map((files) => files.map((file) => `${file.mode} ${file.path}`))).toEqual([
      ['100644 data/train.dv', '100644 stages.lock'],
      ['100644 data/train.dv', '100644 stages.lock'],
      ['100644 data/train.dv', '120000 link.dv', '100644 stages.lock'],
    ]);
    expect(listed[0]![1]!.id).toBe(listed[1]![1]!.id);
    expect(listed[0]![0]!.id).not.toBe(listed[1]![0]!.id);
    expect(text(await history.readBlobs(listed[0]!.map((file) => file.id)))).toEqual([
      'version: 1\nraw\n',
      'one',
    ]);
  });

  it('orders paths as git does and enters only the folders asked for', async () => {
    const all = await history.listFiles([second], () => true);
    expect(all[0]!.map((file) => file.path)).toEqual(
      (await world.ask('ls-tree', '-r', '--name-only', second)).split('\n'),
    );
    const some = await history.listFiles([second], () => true, { enter: (folder) => folder !== 'src' });
    expect(some[0]!.map((file) => file.path)).not.toContain('src/deep/er/code.py');
  });

  it('reads files of many commits, and says where there is none', async () => {
    const head = await world.ask('rev-parse', 'HEAD');
    const requests = [
      { commit: first, path: 'metrics/evaluate.json' },
      { commit: side, path: 'metrics/evaluate.json' },
      { commit: first, path: 'README.md' },
      { commit: last, path: 'README.md' },
      { commit: first, path: 'data' },
      { commit: first, path: 'stages.lock/below' },
      { commit: first, path: 'src/deep/er/code.py' },
      { commit: head, path: 'link.dv' },
      { commit: first, path: 'metrics/evaluate.json' },
    ];
    expect(text(await history.readFiles(requests))).toEqual([
      '{"accuracy": 0.66}',
      '{"accuracy": 0.84}',
      undefined,
      'hello',
      undefined,
      undefined,
      'print(1)',
      undefined,
      '{"accuracy": 0.66}',
    ]);
    expect(await history.readFiles([])).toEqual([]);
  });

  it('reads binary files whole, small and large', async () => {
    const bytes = Buffer.alloc(300_000, 0).map((_, i) => (i * 7919) % 251);
    const commit = await world.branch('binary', { 'a.bin': bytes, 'b.bin': '', 'c.bin': '\n' });
    const [a, b, c] = await history.readFiles(['a.bin', 'b.bin', 'c.bin'].map((path) => ({ commit, path })));
    expect(a!.equals(bytes)).toBe(true);
    expect([b!.length, c!.toString()]).toEqual([0, '\n']);
    await world.git('branch', '-D', 'binary');
  });

  it('walks history as git log does', async () => {
    const head = await world.ask('rev-parse', 'HEAD');
    const walked = async (options: Omit<Parameters<History['walk']>[0], 'from'>) =>
      (await history.walk({ from: [head], ...options })).map((commit) => commit.id);
    const log = async (...args: string[]) => (await world.ask('rev-list', ...args)).split('\n');
    expect(await walked({})).toEqual(await log('HEAD'));
    expect(await walked({ limit: 3 })).toEqual(await log('-3', 'HEAD'));
    expect(await walked({ firstParent: true })).toEqual(await log('--first-parent', 'HEAD'));
    for (const path of ['metrics/evaluate.json', 'data', 'README.md', 'data/train.dv']) {
      expect(await walked({ paths: [path] })).toEqual(await log('HEAD', '--', path));
    }
    expect(await walked({ paths: ['nowhere'] })).toEqual([]);
    expect(await history.walk({ from: [] })).toEqual([]);
  });

  it('reads a linked worktree', async () => {
    const linked = join(world.outside, 'linked');
    await world.git('worktree', 'add', '-q', linked, 'other');
    await using there = await open(world, engine, linked);
    expect((await there.currentBranch())?.name).toBe('other');
    expect((await there.resolve('HEAD')).id).toBe(await world.ask('rev-parse', 'other'));
    expect((await there.resolve('main')).id).toBe(await world.ask('rev-parse', 'main'));
    await world.git('worktree', 'remove', linked);
  });

  it('reads a clone that borrows objects, and a shallow one', async () => {
    for (const options of [['--shared'], ['--depth=1', '--no-local']]) {
      const clone = join(world.outside, `clone${options[0]}`);
      await world.git('clone', '-q', ...options, world.root, clone);
      await using there = await open(world, engine, clone);
      const head = await there.resolve('HEAD');
      expect(head.subject).toBe('a link');
      expect(head.parents).toHaveLength(options[0] === '--shared' ? 1 : 0);
      expect(text(await there.readFiles([{ commit: head.id, path: 'README.md' }]))).toEqual(['hello']);
      const walked = await there.walk({ from: [head.id] });
      expect(walked).toHaveLength(options[0] === '--shared' ? 6 : 1);
    }
  });

  it('says that a few digits could be several commits', async () => {
    await using many = await historyRepo();
    // Of 900 commits some two share their first four digits; the ids are the same on every machine.
    const stream = Array.from(
      { length: 900 },
      (_, n) => `commit refs/heads/m${n}\ncommitter A <a> ${n} +0000\ndata 0\n\n`,
    );
    many.write('stream', stream.join(''));
    await many.git('-c', 'alias.load=!git fast-import --quiet < stream', 'load');
    const ids = (await many.ask('for-each-ref', '--format=%(objectname)')).split('\n');
    const starts = ids.map((id) => id.slice(0, 4));
    const digits = starts.find((start, i) => starts.indexOf(start) < i)!;
    await using there = await open(many, engine);
    await expect(there.resolve(digits)).rejects.toThrow(/could be more than one commit/);
  });

  it('knows a repository without commits', async () => {
    await using empty = await historyRepo();
    await using there = await open(empty, engine);
    expect(await there.find('HEAD')).toBeUndefined();
    expect(await there.currentBranch()).toBeUndefined();
    expect(await there.branches({ remotes: true })).toEqual([]);
  });
});

it('needs git for a repository only git can read, and names the feature', async () => {
  await using sha256 = await historyRepo(['--object-format=sha256']);
  const id = await sha256.commitFiles('first', { 'a.txt': 'a' });
  await expect(open(sha256, 'isomorphic-git')).rejects.toMatchObject({
    code: 'git-feature',
    message: expect.stringContaining('sha256 object names'),
  });
  await using history = await open(sha256, 'git');
  expect((await history.resolve('main')).id).toBe(id);
  expect(text(await history.readFiles([{ commit: id, path: 'a.txt' }]))).toEqual(['a']);

  await using partial = await historyRepo();
  await partial.git('config', 'remote.origin.promisor', 'true');
  await expect(open(partial, 'isomorphic-git')).rejects.toThrow(/partial clone/);
});

it('is read in process when there is no git program', async () => {
  await using world = await historyRepo();
  await world.commitFiles('first', { 'a.txt': 'a' });
  const repo = openRepo({ cwd: world.root, env: { ...world.env, PATH: world.outside } });
  await using history = await openHistory(repo);
  expect(history.engine).toBe('isomorphic-git');
  expect((await history.resolve('main')).subject).toBe('first');
});

it('reports what git says when git refuses a repository', async () => {
  await using world = await historyRepo();
  await world.commitFiles('first');
  await world.git('config', 'core.repositoryFormatVersion', '9');
  await using history = await open(world, 'git');
  await expect(history.resolve('HEAD')).rejects.toMatchObject({ code: 'git-failed' });
});

it('reads commits with signatures, other encodings and broken dates', () => {
  const commit = (lines: string[], encoding: BufferEncoding = 'utf8') =>
    parseCommit({ id: 'f'.repeat(40), type: 'commit', bytes: Buffer.from(lines.join('\n'), encoding) });
  const tree = `tree ${'1'.repeat(40)}`;
  expect(
    commit([
      tree,
      `parent ${'2'.repeat(40)}`,
      `parent ${'3'.repeat(40)}`,
      'author Ana Maria <a@b> 1 +0000',
      'committer B <b@c> 86400 +0200',
      'gpgsig -----BEGIN',
      ' author Mallory <m@m> 5 +0000',
      '',
      '\nsubject\n\nbody',
    ]),
  ).toEqual({
    id: 'f'.repeat(40),
    parents: ['2'.repeat(40), '3'.repeat(40)],
    tree: '1'.repeat(40),
    author: 'Ana Maria',
    date: '1970-01-02T00:00:00.000Z',
    subject: 'subject',
  });
  const latin = commit([tree, 'author É <e> 1 +0000', 'encoding ISO-8859-1', '', 'été'], 'latin1');
  expect([latin.author, latin.subject, latin.date]).toEqual(['É', 'été', '1970-01-01T00:00:00.000Z']);
  expect(commit([tree, 'committer X <x> 99999999999999999 +0000']).date).toBe('1970-01-01T00:00:00.000Z');
});

describe('branch patterns', () => {
  it.each([
    ['data/*', 'data/a/b', true],
    ['data/*', 'data', false],
    ['*v[12]', 'data/v2', true],
    ['*v[!12]', 'data/v2', false],
    ['v?', 'v10', false],
    ['a.b', 'axb', false],
    ['**/x', 'a/b/x', true],
    ['[', '[', true],
    ['a|b', 'a', false],
  ])('%s against %s: %s', (glob, name, expected) => {
    expect(branchMatcher(glob)(name)).toBe(expected);
  });
  it('match every name as a pattern of itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'abc/.-+(){}|^$\\日') }), (name) =>
        branchMatcher(name)(name),
      ),
    );
  });
});
