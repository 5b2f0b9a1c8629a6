import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { type LogOptions, log } from '../../../core/ops/log.ts';
import { addPaths } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

/** What a log says, short: subject, then `path counts` per path. */
async function told(repo: TestRepo, options: LogOptions = {}): Promise<string[]> {
  const { commits } = await log(repo.open(), options);
  return commits.map(({ subject, paths, problems }) =>
    [
      subject,
      ...paths.map(({ path, before, after, files, renamedFrom }) => {
        if (renamedFrom !== undefined) return `${path} from ${renamedFrom}`;
        const counts = files && `+${files.added} -${files.deleted} ~${files.modified} >${files.renamed}`;
        return `${path} ${before?.bytes ?? '·'}→${after?.bytes ?? '·'} ${counts ?? '?'}`;
      }),
      ...problems.map((problem) => `! ${problem}`),
    ].join('; '),
  );
}

async function history(): Promise<TestRepo> {
  const repo = await testRepo({
    'd/a/1': 'one',
    'd/a/2': 'two',
    'd/b/1': 'x',
    'f.csv': 'v1',
    'code.py': '1',
  });
  await addPaths(repo, 'd', 'f.csv');
  await repo.commit('start');
  repo.write('code.py', '2');
  await repo.commit('code only');
  repo.write('d/a/1', 'ONE!');
  repo.write('d/b/2', 'xx');
  repo.remove('d/a/2');
  await addPaths(repo, 'd');
  await repo.commit('data');
  return repo;
}

const within = (...paths: string[]) => ({ paths: paths as RepoPath[] });

test('commits that changed data, newest first, with counts', async () => {
  await using repo = await history();
  expect(await told(repo)).toEqual([
    'data; d 7→7 +1 -1 ~1 >0',
    'start; d ·→7 +3 -0 ~0 >0; f.csv ·→2 +1 -0 ~0 >0',
  ]);
  expect(await told(repo, { limit: 1 })).toEqual(['data; d 7→7 +1 -1 ~1 >0']);
  expect(await told(repo, { revision: 'HEAD~1' })).toHaveLength(1);
});

test('paths narrow it, also inside a tracked folder and as patterns', async () => {
  await using repo = await history();
  expect(await told(repo, within('f.csv'))).toEqual(['start; f.csv ·→2 +1 -0 ~0 >0']);
  expect(await told(repo, within('d/b'))).toEqual(['data; d 7→7 +1 -0 ~0 >0', 'start; d ·→7 +1 -0 ~0 >0']);
  expect(await told(repo, within('d/a/2'))).toEqual(['data; d 7→7 +0 -1 ~0 >0', 'start; d ·→7 +1 -0 ~0 >0']);
  expect(await told(repo, within('d/*/2'))).toEqual(['data; d 7→7 +1 -1 ~0 >0', 'start; d ·→7 +1 -0 ~0 >0']);
  expect(await told(repo, within('nope'))).toEqual([]);
});

test('both engines say the same, without the git program too', async () => {
  await using repo = await history();
  const { commits } = await log(repo.open(), {});
  const without = { ...repo.open(), git: { ...repo.open().git, available: false } };
  expect((await log(without, {})).commits).toEqual(commits);
});

test('a merge is one step, with what it brought', async () => {
  await using repo = await history();
  await repo.git('checkout', '-q', '-b', 'side', 'HEAD~1');
  repo.write('f.csv', 'v2!');
  await addPaths(repo, 'f.csv');
  await repo.commit('side 1');
  repo.write('f.csv', 'v3!!');
  await addPaths(repo, 'f.csv');
  await repo.commit('side 2');
  await repo.git('checkout', '-q', 'main');
  await repo.git('merge', '-q', '--no-ff', '-m', 'merge side', 'side');
  expect((await told(repo))[0]).toBe('merge side; f.csv 2→4 +0 -0 ~1 >0');
  expect(await told(repo)).toHaveLength(3);
});

test('paths that moved, went away, or became a folder', async () => {
  await using repo = await history();
  await repo.git('mv', 'f.csv.dv', 'g.csv.dv');
  await repo.commit('moved');
  await repo.git('rm', '-q', 'd.dv');
  await repo.commit('gone');
  rmSync(join(repo.root, 'd'), { recursive: true });
  repo.write('d', 'now a file');
  await addPaths(repo, 'd');
  await repo.commit('a file');
  expect((await told(repo)).slice(0, 3)).toEqual([
    'a file; d ·→10 +1 -0 ~0 >0',
    'gone; d 7→· +0 -3 ~0 >0',
    'moved; g.csv from f.csv',
  ]);
});

test('without the listings only totals are told', async () => {
  await using repo = await history();
  rmSync(repo.open().objectsDir, { recursive: true });
  expect(await told(repo)).toEqual(['data; d 7→7 ?', 'start; d ·→7 ?; f.csv ·→2 +1 -0 ~0 >0']);
});

test('stage outputs count, and a pointer that cannot be read is named', async () => {
  await using repo = await testRepo({ 'in.txt': 'x', 'stages.yaml': '' });
  repo.write(
    'stages.yaml',
    'version: 1\nstages:\n  a:\n    cmd: mkdir -p build && cp in.txt build/out\n    deps: [in.txt]\n    outs: [build]\n',
  );
  await repo.dvOk('repro');
  await repo.commit('ran');
  repo.write('broken.dv', 'version: 1\nkind: what\n');
  await repo.commit('broken');
  const [broken, ran] = await told(repo);
  expect(ran).toBe('ran; build ·→1 +1 -0 ~0 >0');
  expect(broken).toMatch(/^broken; ! broken\.dv:2: expected `kind: file`/);
});

test('a repository without commits has nothing to tell; an unknown revision is a failure', async () => {
  await using repo = await testRepo();
  expect(await told(repo)).toEqual([]);
  await expect(log(repo.open(), { revision: 'nope' })).rejects.toMatchObject({ code: 'unknown-revision' });
});

test('a shallow clone ends where it ends', async () => {
  await using repo = await history();
  await repo.git('clone', '-q', '--depth', '1', `file://${repo.root}`, join(repo.outside, 'shallow'));
  const { stdout } = await repo.dvOk('-C', join(repo.outside, 'shallow'), 'log', '--json');
  expect(JSON.parse(stdout).commits).toHaveLength(1);
});
