/** git's own commands, with dv's hooks installed: the data goes where the commits go. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

let template: TestRepo;
beforeAll(async () => {
  template = await makeTwoVersions();
});
afterAll(() => template[Symbol.asyncDispose]());

/** Branch `main` with data v1, branch `v2` with data v2; on `main`. */
const twoVersions = () => testRepo({}, { copyOf: template });

async function makeTwoVersions(): Promise<TestRepo> {
  const repo = await testRepo({ 'data/a': 'a1', 'data/b': 'b1', 'data/sub/c': 'c1' }, { init: true });
  await repo.dvOk('add', 'data');
  await repo.commit('v1');
  await repo.git('checkout', '--quiet', '-b', 'v2');
  repo.write('data/a', 'a2');
  repo.write('data/d', 'd2');
  repo.remove('data/b');
  await repo.dvOk('add', 'data');
  await repo.commit('v2');
  await repo.git('checkout', '--quiet', 'main');
  return repo;
}

const contents = (repo: TestRepo, ...names: string[]) =>
  names.map((name) => (repo.exists(`data/${name}`) ? repo.read(`data/${name}`) : null));

describe('git checkout', () => {
  test('of a branch brings its data, and says so in one line', async () => {
    await using repo = await twoVersions();
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['a1', 'b1', null]);
    expect(await repo.tryGit('checkout', '--quiet', 'v2')).toEqual({
      status: 0,
      stdout: '',
      stderr: 'dv: data is now 3 files (+1 −1 ~1)\n',
    });
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['a2', null, 'd2']);
    expect(JSON.parse((await repo.dvOk('status', '--json')).stdout)).toMatchObject({
      paths: [{ path: 'data', state: 'clean' }],
    });
  });

  test('of a branch with the same data is silent', async () => {
    await using repo = await twoVersions();
    expect((await repo.tryGit('checkout', '--quiet', '-b', 'same')).stderr).toBe('');
    expect((await repo.tryGit('checkout', '--quiet', 'main')).stderr).toBe('');
  });

  test('of a branch without the data takes it away, and back', async () => {
    await using repo = await twoVersions();
    await repo.git('checkout', '--quiet', 'main~1');
    expect(repo.exists('data')).toBe(false);
    await repo.git('checkout', '--quiet', 'main');
    expect(contents(repo, 'a', 'b', 'sub/c')).toEqual(['a1', 'b1', 'c1']);
  });

  test('keeps a file the user changed, names what to do, and succeeds', async () => {
    await using repo = await twoVersions();
    repo.write('data/a', 'mine');
    const { status, stderr } = await repo.tryGit('checkout', '--quiet', 'v2');
    expect(status).toBe(0);
    expect(stderr).toContain('dv: 1 file with changes of your own kept as they are: dv status\n');
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['mine', null, 'd2']);
  });

  test('names data that is not here, and succeeds', async () => {
    await using repo = await twoVersions();
    rmSync(join(repo.root, '.git/dv/objects'), { recursive: true });
    const { status, stderr } = await repo.tryGit('checkout', '--quiet', 'v2');
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'dv: data of data is not here: dv pull\n' });
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['a1', 'b1', null]);
  });

  test('of a single pointer brings that version of the data', async () => {
    await using repo = await twoVersions();
    await repo.git('checkout', '--quiet', 'v2', '--', 'data.dv');
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['a2', null, 'd2']);
    await repo.git('checkout', '--quiet', '--force', 'main');
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['a1', 'b1', null]);
  });

  test('does nothing when the hook is switched off', async () => {
    await using repo = await twoVersions();
    await repo.git('config', 'dv.hooks.post-checkout', 'off');
    expect((await repo.tryGit('checkout', '--quiet', 'v2')).stderr).toBe('');
    expect(contents(repo, 'a')).toEqual(['a1']);
  });

  test('succeeds although a pointer cannot be read, and says so once', async () => {
    await using repo = await twoVersions();
    await repo.git('checkout', '--quiet', '-b', 'broken');
    repo.write('data.dv', 'version: 1\nkind: heap\n');
    await repo.commit('broken');
    await repo.git('checkout', '--quiet', 'main');
    const { status, stderr } = await repo.tryGit('checkout', '--quiet', 'broken');
    expect(status).toBe(0);
    expect(stderr.split('data.dv:2')).toHaveLength(2);
    expect(contents(repo, 'a')).toEqual(['a1']);
  });

  test('names two paths in one line', async () => {
    await using repo = await testRepo({ 'one/a': '1', 'two/a': '1' }, { init: true });
    await repo.git('checkout', '--quiet', '-b', 'data');
    await repo.dvOk('add', 'one', 'two');
    await repo.commit('data');
    await repo.git('checkout', '--quiet', 'main');
    expect((await repo.tryGit('checkout', '--quiet', 'data')).stderr).toBe('dv: 2 paths changed (+2)\n');
  });
});

describe('git merge, rebase, bisect, stash', () => {
  test('a merge brings the merged data', async () => {
    await using repo = await twoVersions();
    const { status, stderr } = await repo.tryGit('merge', '--quiet', 'v2');
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'dv: data is now 3 files (+1 −1 ~1)\n' });
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['a2', null, 'd2']);
  });

  test('a rebase ends with the data of its last commit', async () => {
    await using repo = await twoVersions();
    repo.write('code', '1');
    await repo.commit('code');
    await repo.git('checkout', '--quiet', 'v2');
    await repo.git('rebase', '--quiet', 'main');
    expect(contents(repo, 'a', 'b', 'd')).toEqual(['a2', null, 'd2']);
  });

  test('each step of a bisect has its data', async () => {
    await using repo = await testRepo({ 'data/a': '0' }, { init: true });
    const commits: string[] = [];
    for (let i = 0; i < 5; i++) {
      repo.write('data/a', String(i));
      await repo.dvOk('add', 'data');
      commits.push(await repo.commit(`v${i}`));
    }
    await repo.git('bisect', 'start', commits[4]!, commits[0]!);
    await repo.git('bisect', 'run', 'sh', '-c', 'test "$(cat data/a)" -lt 3');
    expect((await repo.git('rev-parse', 'refs/bisect/bad')).trim()).toBe(commits[3]);
  });
});

describe('stages with `on`', () => {
  /** `main` and `v2` with a stage that copies a file of the data in capitals; its output made on `main`. */
  async function withStage(): Promise<TestRepo> {
    const repo = await twoVersions();
    const stage =
      'version: 1\nstages:\n  upper:\n    cmd: tr a-z A-Z < data/a > upper.txt\n    deps: [data]\n    outs: [upper.txt]\n    on: [post-checkout]\n';
    for (const branch of ['v2', 'main']) {
      await repo.git('checkout', '--quiet', branch);
      repo.write('stages.yaml', stage);
      await repo.commit('stage');
    }
    return repo;
  }

  test('run after a checkout, and say so in a line', async () => {
    await using repo = await withStage();
    const { status, stderr } = await repo.tryGit('checkout', '--quiet', 'v2');
    expect(status).toBe(0);
    expect(stderr.replace(/\d+\.\d s/, 'N s')).toBe(
      'dv: data is now 3 files (+1 −1 ~1)\ndv: stages: upper ran (N s)\ndv: to commit: .gitignore stages.lock\n',
    );
    expect(repo.read('upper.txt')).toBe('A2');
  });

  test('do not run after a checkout of files, nor while a rebase or bisect is under way', async () => {
    await using repo = await withStage();
    await repo.git('checkout', '--quiet', 'v2', '--', 'data.dv');
    await repo.git('checkout', '--quiet', '--force', 'HEAD', '--', '.');
    await repo.git('bisect', 'start', 'HEAD', 'HEAD~1');
    await repo.git('bisect', 'reset', 'HEAD');
    expect(repo.exists('upper.txt')).toBe(false);
  });

  test('that fail are named, and git goes on', async () => {
    await using repo = await withStage();
    repo.write('stages.yaml', repo.read('stages.yaml').replace('tr a-z A-Z <', 'exit 3 #'));
    const { status, stderr } = await repo.tryGit('checkout', '--quiet', '-b', 'broken');
    expect(status).toBe(0);
    expect(stderr).toMatch(/^dv: stage upper failed: .*; dv repro tries again$/m);
  });

  test('wait for data that is missing', async () => {
    await using repo = await withStage();
    rmSync(join(repo.root, '.git/dv/objects'), { recursive: true });
    const { stderr } = await repo.tryGit('checkout', '--quiet', 'v2');
    expect(stderr).toBe('dv: data of data is not here: dv pull\n');
    expect(repo.exists('upper.txt')).toBe(false);
  });
});

describe('git push', () => {
  /** Two versions, a git remote and a folder that is to be dv's remote. */
  async function withRemotes(): Promise<
    TestRepo & { push(...args: string[]): ReturnType<TestRepo['tryGit']> }
  > {
    const repo = await twoVersions();
    await repo.git('init', '--quiet', '--bare', join(repo.outside, 'git'));
    await repo.git('remote', 'add', 'origin', join(repo.outside, 'git'));
    return { ...repo, push: (...args) => repo.tryGit('push', '--quiet', ...args) };
  }
  const addRemote = (repo: TestRepo) =>
    repo.git('config', 'dv.remote.store.url', join(repo.outside, 'store'));
  const refsThere = async (repo: TestRepo) =>
    (await repo.git('ls-remote', 'origin')).split('\n').flatMap((line) => line.split('\t')[1] ?? []);

  /** Clones, pulls the data of a revision, and gives back a function that reads it. */
  async function cloned(repo: TestRepo, revision: string): Promise<(path: string) => Promise<string>> {
    const folder = join(repo.outside, `clone-${revision}`);
    await repo.git('clone', '--quiet', '--no-checkout', join(repo.outside, 'git'), folder);
    await repo.run('git', ['checkout', '--quiet', revision], { cwd: folder });
    await repo.run('git', ['config', 'dv.remote.store.url', join(repo.outside, 'store')], { cwd: folder });
    const pulled = await repo.run(process.execPath, [mainScript, 'pull'], { cwd: folder });
    expect(pulled).toMatchObject({ status: 0 });
    return async (path) => (await repo.run('cat', [path], { cwd: folder })).stdout;
  }

  test('sends the data first, and a clone can pull it', async () => {
    await using repo = await withRemotes();
    await addRemote(repo);
    const { status, stderr } = await repo.push('origin', 'main', 'v2');
    expect(status).toBe(0);
    expect(stderr.replace(repo.outside, '<outside>')).toBe('dv: pushed 5 files, 10 B, to <outside>/store\n');
    expect(await (await cloned(repo, 'v2'))('data/d')).toBe('d2');
    expect(await (await cloned(repo, 'main'))('data/b')).toBe('b1');
  });

  test('again, or of commits without new data, sends nothing and says nothing', async () => {
    await using repo = await withRemotes();
    await addRemote(repo);
    await repo.push('origin', 'main');
    repo.write('code', '1');
    await repo.git('add', 'code');
    await repo.git('commit', '--quiet', '--message', 'code');
    expect(await repo.push('origin', 'main')).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('sends the data of commits in between too', async () => {
    await using repo = await withRemotes();
    await addRemote(repo);
    repo.write('data/a', 'between');
    await repo.dvOk('add', 'data');
    await repo.commit('between');
    const between = (await repo.git('rev-parse', 'HEAD')).trim();
    repo.write('data/a', 'last');
    await repo.dvOk('add', 'data');
    await repo.commit('last');
    expect((await repo.push('origin', 'main')).status).toBe(0);
    expect(await (await cloned(repo, between))('data/a')).toBe('between');
  });

  test('is stopped when no remote is named, with what to type', async () => {
    await using repo = await withRemotes();
    const { status, stderr } = await repo.push('origin', 'main');
    expect(status).toBe(1);
    expect(stderr).toContain('dv remote add');
    expect(stderr).toContain('git push --no-verify');
    expect(stderr).toContain('git config dv.hooks.pre-push off');
    expect(await refsThere(repo)).toEqual([]);
  });

  test('is stopped when the data did not arrive', async () => {
    await using repo = await withRemotes();
    await addRemote(repo);
    rmSync(join(repo.root, '.git/dv/objects'), { recursive: true });
    const { status, stderr } = await repo.push('origin', 'main');
    expect(status).toBe(1);
    expect(stderr).toContain('git push was stopped');
    expect(await refsThere(repo)).toEqual([]);
  });

  test('without data needs no remote, nor does deleting a branch', async () => {
    await using repo = await withRemotes();
    expect((await repo.push('origin', 'main~1:refs/heads/code')).status).toBe(0);
    expect((await repo.push('origin', '--delete', 'code')).status).toBe(0);
  });

  test('of a tag sends the data of its commit', async () => {
    await using repo = await withRemotes();
    await addRemote(repo);
    await repo.git('tag', '--annotate', '--message', 'release', 'v1.0', 'v2');
    expect((await repo.push('origin', 'v1.0')).status).toBe(0);
    expect(await (await cloned(repo, 'v1.0'))('data/d')).toBe('d2');
  });

  test('can be told to send pointers alone', async () => {
    await using repo = await withRemotes();
    await repo.git('config', 'dv.hooks.pre-push', 'off');
    expect((await repo.push('origin', 'main')).status).toBe(0);
  });

  test('an older commit with a pointer nobody can read is named and does not stop a push', async () => {
    await using repo = await withRemotes();
    await addRemote(repo);
    const good = repo.read('data.dv');
    repo.write('data.dv', '<<<<<<< ours\nversion: 1\n=======\n>>>>>>> theirs\n');
    await repo.commit('bad merge');
    const stopped = await repo.push('origin', 'main');
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toContain('git left a merge conflict here');
    repo.write('data.dv', good);
    await repo.commit('repaired');
    const { status, stderr } = await repo.push('origin', 'main');
    expect(status).toBe(0);
    expect(stderr).toContain('the data of an older commit is not pushed');
  });
});
