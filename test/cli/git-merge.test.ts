/** git merge and its kin with dv's merge driver: data is merged file by file, and conflicts can be resolved. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

let template: TestRepo;
beforeAll(async () => {
  template = await testRepo(
    { 'data/a': 'a1', 'data/b': 'b1', 'data/gone': 'g1', 'data/sub/c': 'c1', model: 'm1' },
    { init: true },
  );
  await template.dvOk('add', 'data', 'model');
  await template.commit('base');
});
afterAll(() => template[Symbol.asyncDispose]());

type Files = Record<string, string | undefined>;

/** Writes and removes files, and records them as data. */
async function change(repo: TestRepo, files: Files, message: string): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    if (content === undefined) repo.remove(path);
    else repo.write(path, content);
  }
  await repo.dvOk('add', 'data', 'model');
  await repo.commit(message);
}

/** Branches `ours` (where it stands) and `theirs`, each with changes of its own to the same data. */
async function diverged(ours: Files, theirs: Files): Promise<TestRepo> {
  const repo = await testRepo({}, { copyOf: template });
  await repo.git('checkout', '--quiet', '-b', 'theirs');
  await change(repo, theirs, 'theirs');
  await repo.git('checkout', '--quiet', '-b', 'ours', 'main');
  await change(repo, ours, 'ours');
  return repo;
}

const contents = (repo: TestRepo) =>
  Object.fromEntries(
    Object.keys(repo.tree('data'))
      .concat('model')
      .map((path) => [path, repo.read(path)]),
  );
const base = { 'data/a': 'a1', 'data/b': 'b1', 'data/gone': 'g1', 'data/sub/c': 'c1', model: 'm1' };
const unmerged = async (repo: TestRepo) =>
  (await repo.git('diff', '--name-only', '--diff-filter=U')).split('\n').filter((line) => line !== '');

describe('without conflicts', () => {
  test('a merge takes what each side did to the files', async () => {
    await using repo = await diverged(
      { 'data/a': 'a2', 'data/ours': 'o', model: 'm2' },
      { 'data/b': 'b2', 'data/gone': undefined, 'data/sub/theirs': 't' },
    );
    const { status, stderr } = await repo.tryGit('merge', '--quiet', 'theirs');
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'dv: data is now 5 files (+1 −1 ~1)\n' });
    const { 'data/gone': _, ...kept } = base;
    const merged = { 'data/a': 'a2', 'data/ours': 'o', model: 'm2', 'data/b': 'b2', 'data/sub/theirs': 't' };
    expect(contents(repo)).toEqual({ ...kept, ...merged });
    expect((await repo.dvOk('status')).stdout).toBe('2 paths as recorded\n');
  });

  test('a cherry-pick and a rebase merge the same way', async () => {
    await using repo = await diverged({ 'data/a': 'a2' }, { 'data/b': 'b2' });
    await repo.git('checkout', '--quiet', '-b', 'picked');
    await repo.git('cherry-pick', 'theirs');
    await repo.dvOk('checkout');
    expect(contents(repo)).toEqual({ ...base, 'data/a': 'a2', 'data/b': 'b2' });
    await repo.git('checkout', '--quiet', 'ours');
    await repo.git('rebase', '--quiet', 'theirs');
    expect(contents(repo)).toEqual({ ...base, 'data/a': 'a2', 'data/b': 'b2' });
    expect((await repo.git('rev-parse', 'picked:data.dv')).trim()).toBe(
      (await repo.git('rev-parse', 'ours:data.dv')).trim(),
    );
  });

  test('a merge with two common ancestors needs no help where nothing conflicts', async () => {
    await using repo = await diverged({ 'data/a': 'a2' }, { 'data/a': 'a3', 'data/b': 'b2' });
    // Each side merges the other, with the conflict resolved its own way: a criss-cross.
    for (const [branch, other] of [
      ['ours', 'theirs~0'],
      ['theirs', 'ours~1'],
    ] as const) {
      await repo.git('checkout', '--quiet', '--force', branch);
      await repo.tryGit('merge', '--quiet', other === 'ours~1' ? 'ours^1' : other);
      await repo.dvOk('checkout');
      await repo.dvOk('add', 'data');
      await repo.git('commit', '--quiet', '--message', `merge ${other}`);
    }
    await repo.git('checkout', '--quiet', 'ours');
    await change(repo, { 'data/sub/c': 'c2' }, 'more of ours');
    const merged = await repo.tryGit('merge', '--quiet', 'theirs');
    // Both kept their own version of data/a, so that one file is still open; nothing else is.
    expect(merged.status).toBe(1);
    expect(merged.stderr).toContain('dv: 1 file of data changed on both sides');
    expect(merged.stderr).toContain('data/a  both modified');
  });
});

describe('files that both sides changed', () => {
  let world: TestRepo;
  beforeAll(async () => {
    world = await diverged(
      { 'data/a': 'a-ours', 'data/gone': 'g-ours', 'data/b': 'b-ours' },
      { 'data/a': 'a-theirs', 'data/gone': undefined, 'data/sub/c': 'c-theirs' },
    );
  });
  afterAll(() => world[Symbol.asyncDispose]());
  const conflicting = () => testRepo({}, { copyOf: world });

  test('are named, stay as ours, and everything else is merged', async () => {
    await using repo = await conflicting();
    const { status, stderr } = await repo.tryGit('merge', '--quiet', 'theirs');
    expect(status).toBe(1);
    expect(stderr).toContain(
      [
        'dv: 2 files of data changed on both sides; ours are kept, all else is merged',
        'dv:   data/a  both modified',
        'dv:   data/gone  modified by us, deleted by them',
        'dv: theirs instead: dv checkout --theirs data/a; when all are as they should be: dv add data',
      ].join('\n'),
    );
    expect(await unmerged(repo)).toEqual(['data.dv']);
    await repo.dvOk('checkout');
    expect(contents(repo)).toEqual({
      ...base,
      'data/a': 'a-ours',
      'data/gone': 'g-ours',
      'data/b': 'b-ours',
      'data/sub/c': 'c-theirs',
    });
    expect((await repo.dv('status', '--check')).status).toBe(4);
  });

  test('can be taken from either side, edited, and then recorded', async () => {
    await using repo = await conflicting();
    await repo.tryGit('merge', '--quiet', 'theirs');
    expect((await repo.dvOk('checkout', '--theirs', 'data/gone')).stdout).toContain('theirs:\n  data/gone\n');
    expect(repo.exists('data/gone')).toBe(false);
    repo.write('data/a', 'a-both');
    expect((await repo.dvOk('status')).stdout).toBe(
      [
        'conflict     data  2 files changed on both sides',
        '  data/a  both modified; ours is here',
        '  data/gone  modified by us, deleted by them; theirs is here',
        'dv checkout --ours|--theirs <path> chooses a version; dv add <path> records what is here and ends the conflict',
        'modified     data  ~1',
        'dv add <path> records changes',
        'dv checkout --force <path> undoes them, saving what it replaces first',
        '',
      ].join('\n'),
    );
    await repo.dvOk('checkout', '--ours', 'data/gone');
    expect(repo.read('data/gone')).toBe('g-ours');
    expect(repo.read('data/a')).toBe('a-both');
    await repo.dvOk('checkout', '--theirs', 'data/gone');
    await repo.dvOk('add', 'data');
    expect(await unmerged(repo)).toEqual([]);
    await repo.git('commit', '--quiet', '--message', 'merged');
    const { 'data/gone': _, ...rest } = base;
    expect(contents(repo)).toEqual({
      ...rest,
      'data/a': 'a-both',
      'data/b': 'b-ours',
      'data/sub/c': 'c-theirs',
    });
    expect((await repo.dvOk('status')).stdout).toBe('2 paths as recorded\n');
  });

  test('an edit is not overwritten by choosing, unless forced', async () => {
    await using repo = await conflicting();
    await repo.tryGit('merge', '--quiet', 'theirs');
    await repo.dvOk('checkout');
    repo.write('data/a', 'mine');
    const kept = await repo.dv('checkout', '--theirs', 'data/a');
    expect(kept.status).toBe(4);
    expect(repo.read('data/a')).toBe('mine');
    await repo.dvOk('checkout', '--force', '--theirs', 'data/a');
    expect(repo.read('data/a')).toBe('a-theirs');
  });

  test('of which none is at the given path, or without a path: said, and nothing is done', async () => {
    await using repo = await conflicting();
    await repo.tryGit('merge', '--quiet', 'theirs');
    expect(await repo.dv('checkout', '--theirs', 'data/b')).toMatchObject({
      status: 2,
      stderr: 'dv: nothing at data/b is in conflict\nhint: dv status names what is\n',
    });
    expect((await repo.dv('checkout', '--theirs')).status).toBe(2);
    expect((await repo.dv('checkout', '--theirs', '--ours', 'data')).status).toBe(2);
  });

  test('during a rebase are settled commit by commit, and --abort brings everything back', async () => {
    await using repo = await conflicting();
    expect((await repo.tryGit('rebase', 'theirs')).status).toBe(1);
    // In a rebase ours is the branch rebased onto, as in git.
    await repo.dvOk('checkout', '--theirs', 'data');
    expect(repo.read('data/a')).toBe('a-ours');
    await repo.dvOk('add', 'data');
    await repo.run('git', ['rebase', '--continue'], { env: { GIT_EDITOR: 'true' } });
    expect(contents(repo)).toEqual({
      ...base,
      'data/a': 'a-ours',
      'data/gone': 'g-ours',
      'data/b': 'b-ours',
      'data/sub/c': 'c-theirs',
    });
    await repo.git('reset', '--quiet', '--hard', 'ours@{1}');
    await repo.dvOk('checkout');
    const before = contents(repo);
    expect((await repo.tryGit('rebase', 'theirs')).status).toBe(1);
    await repo.git('rebase', '--abort');
    await repo.dvOk('checkout');
    expect(contents(repo)).toEqual(before);
  });
});

describe('what can only be taken as one', () => {
  test('a single file both sides changed', async () => {
    await using repo = await diverged({ model: 'm-ours' }, { model: 'm-theirs' });
    const { status, stderr } = await repo.tryGit('merge', '--quiet', 'theirs');
    expect(status).toBe(1);
    expect(stderr).toContain('dv: model changed on both sides; ours is kept\ndv: theirs instead: ');
    expect(repo.read('model')).toBe('m-ours');
    await repo.dvOk('checkout', '--theirs', 'model');
    expect(repo.read('model')).toBe('m-theirs');
    await repo.dvOk('add', 'model');
    expect(await unmerged(repo)).toEqual([]);
  });

  test('a folder that one side made a file', async () => {
    await using repo = await testRepo({}, { copyOf: template });
    await repo.git('checkout', '--quiet', '-b', 'theirs');
    repo.remove('data');
    await change(repo, { data: 'now a file' }, 'theirs');
    await repo.git('checkout', '--quiet', '-b', 'ours', 'main');
    await change(repo, { 'data/a': 'a2' }, 'ours');
    expect((await repo.tryGit('merge', '--quiet', 'theirs')).stderr).toContain(
      'dv: data changed on both sides; ours is kept',
    );
    await repo.dvOk('checkout', '--theirs', 'data');
    expect(repo.read('data')).toBe('now a file');
    await repo.dvOk('checkout', '--ours', 'data');
    expect(repo.read('data/a')).toBe('a2');
  });
});

describe('what cannot be merged as data', () => {
  test('a listing that is not in the cache: conflict markers, and the command that merges it later', async () => {
    await using repo = await diverged({ 'data/a': 'a2' }, { 'data/b': 'b2' });
    await repo.git('config', 'dv.remote.store.url', join(repo.outside, 'store'));
    await repo.dvOk('push', '--all');
    rmSync(join(repo.root, '.git/dv/objects'), { recursive: true });
    const { status, stderr } = await repo.tryGit('merge', '--quiet', 'theirs');
    expect(status).toBe(1);
    expect(stderr).toContain(
      'dv: data could not be merged file by file, as a list of its files is not in the cache\n' +
        'dv: dv fetch --all && git checkout --merge data.dv merges it again\n',
    );
    expect(repo.read('data.dv')).toContain('<<<<<<< ours');
    await repo.dvOk('fetch', '--all');
    await repo.git('checkout', '--merge', 'data.dv');
    await repo.git('add', 'data.dv');
    await repo.git('commit', '--quiet', '--message', 'merged');
    await repo.dvOk('checkout');
    expect(contents(repo)).toEqual({ ...base, 'data/a': 'a2', 'data/b': 'b2' });
  });

  test("another program's .dv files are merged by git", async () => {
    await using repo = await testRepo(
      { 'notes.dv': 'one\n\n\n\ntwo\n', 'film.dv': new Uint8Array([0, 1, 2]) },
      { init: true },
    );
    await repo.commit('base');
    await repo.git('checkout', '--quiet', '-b', 'theirs');
    repo.write('notes.dv', 'one\n\n\n\ntheirs\n');
    repo.write('film.dv', new Uint8Array([0, 9]));
    await repo.commit('theirs');
    await repo.git('checkout', '--quiet', 'main');
    repo.write('notes.dv', 'ours\n\n\n\ntwo\n');
    await repo.commit('ours');
    await repo.git('merge', '--quiet', 'theirs');
    expect(repo.read('notes.dv')).toBe('ours\n\n\n\ntheirs\n');
    repo.write('film.dv', new Uint8Array([0, 3]));
    await repo.commit('film');
    await repo.git('checkout', '--quiet', 'theirs');
    repo.write('film.dv', new Uint8Array([0, 4]));
    await repo.commit('film, too');
    expect((await repo.tryGit('merge', '--quiet', 'main')).status).toBe(1);
    expect([...repo.readBytes('film.dv')]).toEqual([0, 4]);
  });

  test('a dv that has moved: as text, as in a clone that never had one', async () => {
    await using repo = await diverged({ 'data/a': 'a2' }, { 'data/b': 'b2' });
    const config = repo.read('.git/config');
    repo.write('.git/config', config.replaceAll(mainScript, '/nowhere/main.js'));
    expect((await repo.tryGit('merge', '--quiet', 'theirs')).status).toBe(1);
    expect(repo.read('data.dv')).toContain('<<<<<<<');
    await repo.git('merge', '--abort');
    const clone = join(repo.outside, 'clone');
    await repo.git('clone', '--quiet', '--branch', 'ours', repo.root, clone);
    expect((await repo.run('git', ['merge', 'origin/theirs'], { cwd: clone })).status).toBe(1);
    expect((await repo.run('cat', ['data.dv'], { cwd: clone })).stdout).toContain('<<<<<<<');
  });
});

test('stages.lock: stages of one side are taken, one of both is named, kept as ours, and settled by dv repro', async () => {
  const stage = (name: string) =>
    `  ${name}:\n    cmd: tr a-z A-Z < ${name}.txt > ${name}.out\n    deps: [${name}.txt]\n    outs: [${name}.out]\n`;
  await using repo = await testRepo(
    {
      'stages.yaml': `version: 1\nstages:\n${stage('one')}${stage('two')}`,
      'one.txt': 'a\n\n\n\nz\n',
      'two.txt': 'a\n\n\n\nz\n',
    },
    { init: true },
  );
  const record = async (files: Files, message: string) => {
    for (const [path, content] of Object.entries(files)) repo.write(path, content!);
    await repo.dvOk('repro');
    await repo.commit(message);
  };
  await record({}, 'base');
  await repo.git('checkout', '--quiet', '-b', 'theirs');
  await record({ 'one.txt': 'a\n\n\n\ntheirs\n', 'two.txt': 'a\n\n\n\ntheirs\n' }, 'theirs');
  await repo.git('checkout', '--quiet', 'main');
  await record({ 'one.txt': 'ours\n\n\n\nz\n' }, 'ours');
  const { status, stderr } = await repo.tryGit('merge', '--quiet', 'theirs');
  expect(status).toBe(1);
  expect(stderr).toContain('dv: 1 stage ran anew on both sides, so what ours recorded is kept: one\n');
  expect(await unmerged(repo)).toEqual(['stages.lock']);
  const told = (await repo.dvOk('status')).stdout;
  expect(told).toMatch(/^stale +one /m);
  expect(told).toContain('conflict     stages.lock\ndv repro, then git add stages.lock, ends');
  await repo.dvOk('checkout');
  expect(repo.read('two.out')).toBe('A\n\n\n\nTHEIRS\n');
  await repo.dvOk('repro');
  expect(repo.read('one.out')).toBe('OURS\n\n\n\nTHEIRS\n');
  await repo.commit('merged');
  expect((await repo.dvOk('status')).stdout).toBe('2 paths as recorded, 2 stages fresh\n');
});

test(".gitignore: lines that both sides add at the same place all stay; another conflict is git's", async () => {
  await using repo = await testRepo({ 'data/one/a': '1', 'data/two/a': '1' }, { init: true });
  await repo.git('checkout', '--quiet', '-b', 'theirs');
  await repo.dvOk('add', 'data/one');
  await repo.git('commit', '--quiet', '--message', 'one');
  await repo.git('checkout', '--quiet', 'main');
  await repo.dvOk('add', 'data/two');
  await repo.git('commit', '--quiet', '--message', 'two');
  await repo.git('merge', '--quiet', 'theirs');
  expect(repo.read('data/.gitignore')).toBe('/two\n/one\n');
  expect([repo.read('data/one/a'), repo.read('data/two/a')]).toEqual(['1', '1']);
  await repo.git('checkout', '--quiet', 'theirs');
  repo.write('data/.gitignore', '/ones\n');
  await repo.commit('changed');
  await repo.git('checkout', '--quiet', '-b', 'again', 'HEAD~1');
  repo.write('data/.gitignore', '/One\n');
  await repo.commit('changed, too');
  expect((await repo.tryGit('merge', '--quiet', 'theirs')).status).toBe(1);
  expect(repo.read('data/.gitignore')).toBe('<<<<<<< ours\n/One\n=======\n/ones\n>>>>>>> theirs\n');
});

describe('the driver', () => {
  const listed = async (repo: TestRepo) =>
    /merge, diff +(.*)/.exec((await repo.dvOk('hook', 'list')).stdout)?.[1];

  test('is renewed where it is incomplete, and taken away without a trace', async () => {
    await using repo = await testRepo();
    await repo.git('config', 'user.signingkey', 'x');
    repo.write('.git/info/attributes', '*.txt diff=words');
    const config = repo.read('.git/config');
    await repo.dvOk('init');
    expect(await listed(repo)).toBe('installed');
    const attributes = repo.read('.git/info/attributes');
    expect(attributes).toMatch(/^\*\.txt diff=words\n# dv: /);
    await repo.git('config', 'merge.dv.driver', 'elsewhere');
    expect(await listed(repo)).toContain('dv init renews it');
    expect((await repo.dvOk('init')).stdout).toContain('merge, diff       renewed');
    repo.write('.git/info/attributes', '*.txt diff=words\n');
    await repo.dvOk('init');
    expect(repo.read('.git/info/attributes')).toBe(attributes);
    expect((await repo.dvOk('doctor')).stdout).toContain('ok    merge');
    expect((await repo.dvOk('hook', 'uninstall')).stdout).toContain('merge, diff       removed');
    expect(repo.read('.git/config')).toBe(config);
    expect(repo.read('.git/info/attributes')).toBe('*.txt diff=words\n');
    expect(await listed(repo)).toContain('not installed: dv init');
    expect((await repo.dvOk('doctor')).stdout).toMatch(/note {2}merge +git merges pointers as text/);
  });

  test('works from a repository and a dv with odd names, and for odd names of data', async () => {
    await using repo = await testRepo(
      { "da ta's %P/ü": '1', "da ta's %P/x": '1' },
      { init: true, name: "it's %A 日本" },
    );
    const path = "da ta's %P";
    await repo.dvOk('add', path);
    await repo.commit('base');
    await repo.git('checkout', '--quiet', '-b', 'theirs');
    repo.write(`${path}/ü`, 'theirs');
    await repo.dvOk('add', path);
    await repo.commit('theirs');
    await repo.git('checkout', '--quiet', 'main');
    repo.write(`${path}/x`, 'ours');
    await repo.dvOk('add', path);
    await repo.commit('ours');
    await repo.git('merge', '--quiet', 'theirs');
    expect([repo.read(`${path}/ü`), repo.read(`${path}/x`)]).toEqual(['theirs', 'ours']);
  });
});
