import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { encodeTree } from '../../../core/model/tree.ts';
import { walk } from '../../../core/store/walk.ts';
import { anyPath } from '../../support/arbitraries.ts';
import { temporaryFolder } from '../../support/git-folder.ts';

const data = 'data' as RepoPath;

/** A tree of the paths, whatever their content. */
const treeOf = (paths: readonly RepoPath[]) =>
  encodeTree(paths.map((path) => ({ path, digest: digestOf(path), sizeBytes: 0, mode: '-' })));

test('a walk gives what a tree takes: every file, in the order of the paths’ bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(anyPath, { minLength: 1, maxLength: 15 }), async (wanted) => {
      using folder = temporaryFolder();
      const written: string[] = [];
      for (const path of wanted) {
        if (path.endsWith('.dvtmp')) continue;
        try {
          folder.write(`data/${path}`);
          written.push(path);
        } catch {
          // A file is in the way of a folder, or the other way round; the rest is as good.
        }
      }
      mkdirSync(folder.at('data'), { recursive: true });
      const { paths, problems } = walk(folder.path, data);
      expect(problems).toEqual([]);
      expect([...paths].sort()).toEqual(written.sort());
      expect(paths).toEqual(paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
      await treeOf(paths);
    }),
    { numRuns: 60 },
  );
});

test('names that no tree may hold are told, and the rest is listed', async () => {
  using folder = temporaryFolder();
  for (const path of [
    'a',
    'good\\name',
    'bad\\..\\name',
    'sub/x\\.git\\config',
    'git~1',
    'repo/.git/config',
  ]) {
    folder.write(`data/${path}`);
  }
  writeFileSync(folder.at('data/.half.dvtmp'), 'left over');
  symlinkSync('a', folder.at('data/link'));
  const { paths, problems } = walk(folder.path, data);
  expect(paths).toEqual(['a', 'good\\name', 'link']);
  await treeOf(paths);
  expect(problems.sort((a, b) => (a.path < b.path ? -1 : 1))).toMatchInlineSnapshot(`
    [
      {
        "path": "bad\\..\\name",
        "reason": "it has a part ".." once backslashes are taken as slashes, as Windows does",
      },
      {
        "path": "git~1",
        "reason": "it is part of another git repository, which cannot be tracked as data",
      },
      {
        "path": "repo/.git",
        "reason": "it is part of another git repository, which cannot be tracked as data",
      },
      {
        "path": "sub/x\\.git\\config",
        "reason": "it is part of another git repository, which cannot be tracked as data",
      },
    ]
  `);
});

test('a name that is no UTF-8 is left out, and told with its bytes', () => {
  using folder = temporaryFolder();
  folder.write('data/a');
  try {
    writeFileSync(Buffer.concat([Buffer.from(folder.at('data/')), Buffer.from([0x66, 0xff])]), '');
  } catch {
    return; // A file system that does not take such names has no such problem.
  }
  expect(walk(folder.path, data)).toEqual({
    paths: ['a'],
    problems: [{ path: 'f\\xff', reason: 'its name is not valid UTF-8; rename it to track it' }],
  });
});
