import { spawnSync } from 'node:child_process';
import { statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { mv } from '../../../core/ops/mv.ts';
import { capture } from '../../../core/store/capture.ts';
import { newMove, writeJournal } from '../../../core/store/moves.ts';
import { addPaths, checkoutAll, someFiles, states } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';
import { canMountSmallDisk } from '../../support/small-disk.ts';

const move = (repo: TestRepo, ...paths: string[]) =>
  mv(repo.open(), paths.slice(0, -1) as RepoPath[], paths.at(-1) as RepoPath);

/** Past the step of the file system's clock, within which a change could not be seen. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 60));

async function movable(): Promise<TestRepo> {
  const repo = await testRepo({ ...someFiles('data/train', 9), 'data/val.csv': 'v', 'code/x.py': 'x' });
  await settle();
  await addPaths(repo, 'data/train', 'data/val.csv');
  await repo.commit('one');
  await settle();
  return repo;
}

async function filesRead(repo: TestRepo, path: string): Promise<number> {
  return (await capture(repo.open(), path as RepoPath, { store: false })).filesRead;
}

test('a folder gets another name with its pointer and ignore line, and nothing is read again', async () => {
  await using repo = await movable();
  const inode = statSync(join(repo.root, 'data/train/class-0/00000.txt')).ino;
  await states(repo);
  const { moved } = await move(repo, 'data/train', 'code/train-v1');
  expect(moved).toEqual([{ from: 'data/train', to: 'code/train-v1' }]);
  expect(statSync(join(repo.root, 'code/train-v1/class-0/00000.txt')).ino).toBe(inode);
  expect(await repo.git('status', '--short')).toMatchInlineSnapshot(`
    "A  code/.gitignore
    R  data/train.dv -> code/train-v1.dv
    M  data/.gitignore
    "
  `);
  expect(repo.read('data/.gitignore')).toBe('/val.csv\n');
  expect(await filesRead(repo, 'code/train-v1')).toBe(0);
  expect(await states(repo)).toEqual({ 'code/train-v1': 'clean', 'data/val.csv': 'clean' });
});

test('a single file is not read again either', async () => {
  await using repo = await movable();
  await states(repo);
  await move(repo, 'data/val.csv', 'val2.csv');
  await settle();
  expect(await filesRead(repo, 'val2.csv')).toBe(0);
  expect(await states(repo)).toEqual({ 'data/train': 'clean', 'val2.csv': 'clean' });
});

test('several go into a folder, and the last line of a .gitignore takes the file with it', async () => {
  await using repo = await movable();
  await move(repo, 'data/train', 'data/val.csv', 'code');
  expect(repo.exists('data/.gitignore')).toBe(false);
  expect(repo.exists('code/train/class-0/00000.txt')).toBe(true);
  expect(await repo.git('status', '--short')).toBe(
    'R  data/.gitignore -> code/.gitignore\nR  data/train.dv -> code/train.dv\nR  data/val.csv.dv -> code/val.csv.dv\n',
  );
});

test('local changes move along, and stay local changes', async () => {
  await using repo = await movable();
  repo.write('data/train/class-0/00000.txt', 'mine');
  await move(repo, 'data/train', 'other');
  expect(await states(repo)).toMatchObject({ other: 'modified +0 -0 ~1' });
});

test('the new path is dv’s own: a branch without it takes it away, and brings it back', async () => {
  await using repo = await movable();
  await repo.git('checkout', '-q', '-b', 'moved');
  await move(repo, 'data/train', 'other');
  await repo.commit('moved');
  const moved = repo.tree();
  await repo.git('checkout', '-q', 'main');
  await checkoutAll(repo);
  expect(repo.exists('other')).toBe(false);
  expect(repo.exists('data/train/class-0/00000.txt')).toBe(true);
  await repo.git('checkout', '-q', 'moved');
  await checkoutAll(repo);
  expect(repo.tree()).toEqual(moved);
});

test('data that is not here does not keep the pointer from moving', async () => {
  await using repo = await movable();
  repo.remove('data/train');
  await move(repo, 'data/train', 'other');
  expect(repo.exists('other.dv')).toBe(true);
  expect(await states(repo)).toMatchObject({ other: 'missing' });
});

test('lines of stages.yaml that name the old path are named', async () => {
  await using repo = await movable();
  repo.write(
    'stages.yaml',
    'version: 1\nstages:\n  a:\n    cmd: ls ./data/train/class-0\n    deps: [data/train-old, "data/train"]\n',
  );
  const { mentions } = await move(repo, 'data/train', 'other');
  expect(mentions).toEqual([
    { file: 'stages.yaml', line: 4, path: 'data/train' },
    { file: 'stages.yaml', line: 5, path: 'data/train' },
  ]);
});

describe.skipIf(!canMountSmallDisk())('onto another file system', () => {
  /** A repository in whose folder `disk` another file system is mounted. */
  async function withDisk(sizeKiB: number, run: (repo: TestRepo) => Promise<void>): Promise<void> {
    await using repo = await testRepo({ ...someFiles('data', 9), 'one.bin': 'o', 'disk/x': '' });
    await addPaths(repo, 'data', 'one.bin');
    const disk = join(repo.root, 'disk');
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKiB}k`, 'dv-test', disk]);
    expect(mounted.status).toBe(0);
    try {
      await run(repo);
    } finally {
      spawnSync('umount', ['-l', disk]);
    }
  }

  test('the data is copied, and then taken away where it was', async () => {
    await withDisk(1024, async (repo) => {
      const before = Object.values(repo.tree('data'));
      await move(repo, 'data', 'one.bin', 'disk');
      expect(Object.values(repo.tree('disk/data'))).toEqual(before);
      expect(repo.exists('data') || repo.exists('one.bin')).toBe(false);
      expect(await states(repo)).toEqual({ 'disk/data': 'clean', 'disk/one.bin': 'clean' });
    });
  });

  test('where there is no space for it, it stays where it is', async () => {
    await withDisk(32, async (repo) => {
      repo.write('data/large', Buffer.alloc(100_000));
      await addPaths(repo, 'data');
      const before = repo.tree('data');
      expect(await move(repo, 'data', 'disk').catch((error: unknown) => isDvError(error, 'disk-full'))).toBe(
        true,
      );
      expect(repo.tree('data')).toEqual(before);
      expect(Object.keys(repo.tree('disk')).filter((path) => path.includes('dvtmp'))).toEqual([]);
    });
  });
});

describe('refused, and nothing is changed', () => {
  const cases: [string, string[], string][] = [
    ['what is not tracked', ['code', 'x'], 'path-not-tracked'],
    ['a file of a tracked folder', ['data/train/class-0', 'x'], 'usage'],
    ['a folder that only holds tracked paths', ['data', 'x'], 'usage'],
    ['onto itself', ['data/train', 'data/train'], 'path-exists'],
    ['onto a tracked path', ['data/train', 'data/val.csv'], 'path-exists'],
    ['onto a file', ['data/train', 'free'], 'path-exists'],
    ['onto a file of git’s that is not here', ['data/train', 'gone'], 'path-tracked-by-git'],
    ['onto a name whose pointer is somebody else’s', ['data/train', 'video'], 'path-exists'],
    ['into itself', ['data/train', 'data/train/x'], 'path-inside-tracked'],
    ['to a folder that is not there', ['data/train', 'none/x'], 'path-missing'],
    ['several to a name', ['data/train', 'data/val.csv', 'x'], 'usage'],
    ['into another repository', ['data/train', 'inner'], 'path-invalid'],
    ['through a link', ['data/train', 'link/x'], 'unsafe-link'],
    ['to what a stage writes', ['data/train', 'made'], 'path-of-stage'],
  ];
  test.each(cases)('%s', async (_, paths, code) => {
    await using repo = await testRepo({
      ...someFiles('data/train', 3),
      'data/val.csv': 'v',
      'code/x.py': 'x',
      'video.dv': 'DIF film',
      free: 'f',
      'inner/.git/HEAD': '',
      'stages.lock': `version: 1\nstages:\n  s:\n    cmd: "x"\n    outs:\n      made: file sha256:${'0'.repeat(64)} 1\n`,
    });
    await addPaths(repo, 'data/train', 'data/val.csv');
    repo.write('gone', 'g');
    await repo.git('add', 'code', 'gone');
    repo.remove('gone');
    symlinkSync('code', join(repo.root, 'link'));
    const before = repo.tree();
    const failure = await move(repo, ...paths).catch((error: unknown) => error);
    expect(isDvError(failure) ? failure.code : failure).toBe(code);
    expect(repo.tree()).toEqual(before);
  });
});

test('the note of a cut off move is not taken for another one’s', async () => {
  await using repo = await movable();
  const text = repo.read('data/train.dv');
  const journal = { sources: ['data/train' as RepoPath], destination: 'other', copied: [] };
  writeJournal(repo.open(), {
    ...journal,
    moves: [newMove('data/train' as RepoPath, 'other' as RepoPath, text)],
  });
  // Since then somebody recorded other data at the old path: the same command is a new one.
  repo.write('data/train/new', 'n');
  await addPaths(repo, 'data/train');
  await move(repo, 'data/train', 'other');
  expect(await states(repo)).toMatchObject({ other: 'clean' });
  expect(repo.exists('other/new')).toBe(true);
});
