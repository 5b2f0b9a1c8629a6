/** git commands that move pointers without a checkout of a branch: the data follows each of them. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

let template: TestRepo;
beforeAll(async () => {
  template = await testRepo({ 'data/a': '1', 'data/b': '1' }, { init: true });
  for (const version of ['1', '2', '3']) {
    template.write('data/a', version);
    await template.dvOk('add', 'data');
    await template.commit(`v${version}`);
    await template.git('tag', `v${version}`);
  }
  await template.git('branch', 'side', 'v1');
});
afterAll(() => template[Symbol.asyncDispose]());

/** On `main`: commits v1, v2, v3, in which data/a is 1, 2, 3; branch `side` at v1. */
const threeVersions = () => testRepo({}, { copyOf: template });

const isClean = async (repo: TestRepo) => {
  expect((await repo.dvOk('status')).stdout).toMatch(/^1 path as recorded\n/);
  return repo.read('data/a');
};

test('git reset --hard, forth and back', async () => {
  await using repo = await threeVersions();
  const { stderr } = await repo.tryGit('reset', '--quiet', '--hard', 'v1');
  expect(stderr).toBe('dv: data is now 2 files (~1)\n');
  expect(await isClean(repo)).toBe('1');
  await repo.git('reset', '--quiet', '--hard', 'ORIG_HEAD');
  expect(await isClean(repo)).toBe('3');
  expect((await repo.tryGit('reset', '--quiet', '--hard', 'HEAD')).stderr).toBe('');
  await repo.git('reset', '--quiet', '--hard', 'v1~1');
  expect(repo.exists('data')).toBe(false);
});

test('git switch, git restore and git checkout of the pointer', async () => {
  await using repo = await threeVersions();
  await repo.git('switch', '--quiet', 'side');
  expect(await isClean(repo)).toBe('1');
  await repo.git('restore', '--source', 'v2', 'data.dv');
  expect(await isClean(repo)).toBe('2');
  await repo.git('checkout', '--quiet', '--', 'data.dv');
  expect(await isClean(repo)).toBe('1');
  await repo.git('restore', '--source', 'v3', '--staged', '--worktree', 'data.dv');
  expect(await isClean(repo)).toBe('3');
  await repo.git('checkout', '--quiet', '--force', 'main');
  await repo.git('checkout', '--quiet', '--force', 'side');
  expect(await isClean(repo)).toBe('1');
});

describe('git stash', () => {
  test('takes recorded data away, and pop brings it back', async () => {
    await using repo = await threeVersions();
    repo.write('data/a', 'mine');
    await repo.dvOk('add', 'data');
    await repo.git('stash', '--quiet');
    expect(await isClean(repo)).toBe('3');
    await repo.git('stash', 'pop', '--quiet');
    expect(await isClean(repo)).toBe('mine');
    await repo.git('commit', '--quiet', '--all', '--message', 'mine');
    expect(await isClean(repo)).toBe('mine');
  });

  test('leaves edits alone that were not recorded', async () => {
    await using repo = await threeVersions();
    repo.write('code', '1');
    await repo.git('add', 'code');
    repo.write('data/a', 'mine');
    await repo.git('stash', '--quiet');
    await repo.git('stash', 'pop', '--quiet');
    expect(repo.read('data/a')).toBe('mine');
  });

  test('pop on other data merges file by file; what conflicts can be resolved', async () => {
    await using repo = await threeVersions();
    repo.write('data/b', 'mine');
    await repo.dvOk('add', 'data');
    await repo.git('stash', '--quiet');
    await repo.git('reset', '--quiet', '--hard', 'v1');
    await repo.git('stash', 'pop', '--quiet');
    expect([repo.read('data/a'), repo.read('data/b')]).toEqual(['1', 'mine']);
    await repo.git('stash', '--quiet');
    repo.write('data/b', 'other');
    await repo.dvOk('add', 'data');
    await repo.commit('other');
    expect((await repo.tryGit('stash', 'pop', '--quiet')).status).toBe(1);
    expect(repo.read('data/b')).toBe('other');
    await repo.dvOk('checkout', '--theirs', 'data/b');
    expect(repo.read('data/b')).toBe('mine');
  });
});

describe('git rebase', () => {
  test('has the data of each commit while it runs commands on it', async () => {
    await using repo = await threeVersions();
    repo.write('code', '1');
    await repo.git('checkout', '--quiet', '-b', 'work', 'v3');
    const record =
      'cat data/a >> .git/seen; test "$(cat data/a)" = "$(git show --format=%s --no-patch | tail -c 2)"';
    await repo.git('rebase', '--quiet', '--no-ff', '--exec', record, 'v1~1');
    expect(repo.read('.git/seen')).toBe('123');
    expect(await isClean(repo)).toBe('3');
  });

  test('stopped at a conflict has the merged data; --abort brings the old back, --skip leaves the new', async () => {
    await using repo = await threeVersions();
    await repo.git('checkout', '--quiet', 'side');
    repo.write('data/a', 'side');
    repo.write('data/b', 'side');
    await repo.dvOk('add', 'data');
    await repo.commit('side');
    expect((await repo.tryGit('rebase', '--quiet', 'main')).status).toBe(1);
    expect([repo.read('data/a'), repo.read('data/b')]).toEqual(['3', 'side']);
    await repo.git('rebase', '--abort');
    expect([await isClean(repo), repo.read('data/b')]).toEqual(['side', 'side']);
    await repo.tryGit('rebase', '--quiet', 'main');
    await repo.git('rebase', '--skip');
    expect([await isClean(repo), repo.read('data/b')]).toEqual(['3', '1']);
  });
});

test('git cherry-pick, git revert and git merge --abort', async () => {
  await using repo = await threeVersions();
  await repo.git('checkout', '--quiet', 'side');
  await repo.git('cherry-pick', 'v2');
  expect(await isClean(repo)).toBe('2');
  await repo.git('revert', '--no-edit', 'HEAD');
  expect(await isClean(repo)).toBe('1');
  repo.write('data/a', 'side');
  await repo.dvOk('add', 'data');
  await repo.commit('side');
  repo.write('data/b', 'unrecorded');
  expect((await repo.tryGit('merge', '--quiet', 'main')).status).toBe(1);
  await repo.git('merge', '--abort');
  expect([repo.read('data/a'), repo.read('data/b')]).toEqual(['side', 'unrecorded']);
});

test('git pull --rebase brings the data of both', async () => {
  await using repo = await threeVersions();
  const clone = await testRepo({}, { copyOf: repo });
  await using other = clone;
  await other.git('remote', 'add', 'origin', repo.root);
  await other.git('config', 'dv.cache.dir', join(repo.root, '.git/dv'));
  repo.write('data/a', 'theirs');
  await repo.dvOk('add', 'data');
  await repo.commit('theirs');
  other.write('data/b', 'ours');
  await other.dvOk('add', 'data');
  await other.commit('ours');
  await other.git('pull', '--quiet', '--rebase', 'origin', 'main');
  expect([await isClean(other), other.read('data/b')]).toEqual(['theirs', 'ours']);
});

test('git clean -fdx and git gc --prune=now touch no data', async () => {
  await using repo = await threeVersions();
  repo.write('junk', 'x');
  const before = repo.tree('data');
  await repo.git('gc', '--quiet', '--prune=now');
  await repo.git('clean', '--quiet', '-dfx', '--exclude=/data');
  expect(repo.exists('junk')).toBe(false);
  expect(repo.tree('data')).toEqual(before);
  // Without an exception git takes the files, which it ignores; the cache has them.
  await repo.git('clean', '--quiet', '-dfx');
  await repo.dvOk('checkout');
  expect(repo.tree('data')).toEqual(before);
  await repo.git('checkout', '--quiet', 'v1');
  expect(await isClean(repo)).toBe('1');
});

describe('what the shell decides without dv', () => {
  /** Makes every start of dv by a hook leave a line. */
  function countStarts(repo: TestRepo): () => number {
    const counter = join(repo.outside, 'dv.mjs');
    const log = join(repo.outside, 'starts');
    const text = `import fs from 'node:fs';\nfs.appendFileSync(${JSON.stringify(log)}, process.argv[3] + '\\n');\nawait import(${JSON.stringify(mainScript)});\n`;
    writeFileSync(counter, text);
    for (const event of ['post-checkout', 'post-merge', 'post-rewrite', 'post-index-change']) {
      const hook = `.git/hooks/${event}`;
      repo.write(hook, repo.read(hook).replaceAll(mainScript, counter), { executable: true });
    }
    let seen = 0;
    return () => {
      const all = existsSync(log) ? repo.read('../outside/starts').split('\n').length - 1 : 0;
      const since = all - seen;
      seen = all;
      return since;
    };
  }

  test('dv is started once where pointers changed, and not at all where they did not', async () => {
    await using repo = await threeVersions();
    const starts = countStarts(repo);
    await repo.git('checkout', '--quiet', 'v2');
    expect(starts()).toBe(1);
    for (const args of [
      ['checkout', '--quiet', '-b', 'same'],
      ['commit', '--quiet', '--allow-empty', '--message', 'empty'],
      ['commit', '--quiet', '--amend', '--allow-empty', '--message', 'reworded'],
      ['checkout', '--quiet', 'v2'],
      ['merge', '--quiet', 'same'],
      ['reset', '--quiet', '--hard'],
      ['status'],
    ]) {
      await repo.git(...args);
      expect([args, starts()]).toEqual([args, 0]);
    }
    await repo.git('reset', '--quiet', '--hard', 'v1');
    expect(starts()).toBe(1);
  });

  test('after any dv command the next hook looks again', async () => {
    await using repo = await threeVersions();
    const starts = countStarts(repo);
    await repo.git('checkout', '--quiet', 'v2');
    await repo.git('config', 'dv.autostage', 'false');
    repo.write('data/a', 'mine');
    await repo.dvOk('add', 'data');
    starts();
    await repo.git('checkout', '--quiet', '--force', 'v2');
    expect(starts()).toBeGreaterThan(0);
    expect(await isClean(repo)).toBe('2');
  });

  test('dv.hooks.post-checkout off switches all of it off', async () => {
    await using repo = await threeVersions();
    await repo.git('config', 'dv.hooks.post-checkout', 'off');
    await repo.git('checkout', '--quiet', 'v1');
    expect(repo.read('data/a')).toBe('3');
    await repo.git('config', '--unset', 'dv.hooks.post-checkout');
    await repo.git('config', 'dv.hooks.post-index-change', 'off');
    await repo.git('reset', '--quiet', '--hard', 'v2');
    expect(repo.read('data/a')).toBe('3');
    await repo.git('checkout', '--quiet', 'v2');
    expect(repo.read('data/a')).toBe('2');
  });
});
