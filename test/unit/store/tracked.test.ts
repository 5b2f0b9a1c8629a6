import { spawnSync } from 'node:child_process';
import { chmodSync, symlinkSync, truncateSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import { formatPointer } from '../../../core/model/pointer.ts';
import { openRepo, type Repo } from '../../../core/store/repo.ts';
import { listTracked, readPointer, requireTracked } from '../../../core/store/tracked.ts';
import { gitFolder } from '../../support/git-folder.ts';

const digest = digestOf('some bytes');
const filePointer = formatPointer({ kind: 'file', digest, bytes: 10 });
const treePointer = formatPointer({ kind: 'tree', digest, files: 2, bytes: 10 });

/** What is tracked and what is broken, in few words. */
function summary(repo: Repo) {
  const { tracked, broken } = listTracked(repo);
  return {
    tracked: tracked.map((each) => `${each.path} ${each.pointer.kind}`),
    broken: broken.map((each) => `${each.pointerPath}: ${each.error.message}`).sort(),
  };
}

describe.each(['with git', 'without git'])('listTracked %s', (engine) => {
  const open = (folder: { path: string; env: NodeJS.ProcessEnv }) =>
    openRepo({ cwd: folder.path, env: engine === 'with git' ? folder.env : { ...folder.env, PATH: '' } });

  test('lists pointers of all folders in the order of their paths', () => {
    using folder = gitFolder();
    folder.write('data/train.dv', treePointer);
    folder.write('data/val.png.dv', filePointer);
    folder.write('model.dv', treePointer);
    folder.write('a/b/c.dv', filePointer);
    folder.git(['add', 'data/train.dv']);
    expect(summary(open(folder))).toEqual({
      tracked: ['a/b/c file', 'data/train tree', 'data/val.png file', 'model tree'],
      broken: [],
    });
  });

  test('a pointer whose name stands for .git, the folder above or nothing is broken, never tracked', () => {
    using folder = gitFolder();
    for (const name of [
      '.git.dv',
      '...dv',
      '..dv',
      '.dv',
      'sub/.Git.dv',
      'sub/GIT~1.dv',
      'sub/...dv',
      'sub/.dv',
    ]) {
      folder.write(name, treePointer);
    }
    folder.write('good.dv', treePointer);
    const { tracked, broken } = summary(open(folder));
    expect(tracked).toEqual(['good tree']);
    expect(broken).toMatchInlineSnapshot(`
      [
        "...dv: "...dv" cannot be tracked: it would stand for "..", and it has a part \`.\` or \`..\`",
        "..dv: "..dv" cannot be tracked: it would stand for ".", and it has a part \`.\` or \`..\`",
        ".dv: ".dv" cannot be tracked: it would stand for "", and it is empty",
        ".git.dv: ".git.dv" cannot be tracked: it would stand for ".git", and it has a part that names .git",
        "sub/...dv: "sub/...dv" cannot be tracked: it would stand for "sub/..", and it has a part \`.\` or \`..\`",
        "sub/.Git.dv: "sub/.Git.dv" cannot be tracked: it would stand for "sub/.Git", and it has a part that names .git",
        "sub/.dv: "sub/.dv" cannot be tracked: it would stand for "sub/", and it has an empty part",
        "sub/GIT~1.dv: "sub/GIT~1.dv" cannot be tracked: it would stand for "sub/GIT~1", and it has a part that names .git",
      ]
    `);
  });

  test('other programs keep their .dv files, whatever their names and sizes', () => {
    using folder = gitFolder();
    const video = folder.write('clip.dv', Buffer.from([0x1f, 0x07, 0x00, 0x3f]));
    truncateSync(video, 5_000_000_000);
    folder.write('clip/inside.dv', filePointer);
    folder.write('empty.dv', '');
    folder.write('.git.dv', 'not a pointer');
    folder.write('folder.dv/file', 'x');
    expect(summary(open(folder))).toEqual({ tracked: ['clip/inside file'], broken: [] });
  });

  test('a link, a pipe and a broken link named like pointers are not followed', () => {
    using folder = gitFolder();
    folder.write('real.dv', filePointer);
    symlinkSync('real.dv', folder.at('link.dv'));
    symlinkSync('/dev/zero', folder.at('endless.dv'));
    symlinkSync('nowhere', folder.at('broken.dv'));
    spawnSync('mkfifo', [folder.at('pipe.dv')]);
    expect(summary(open(folder))).toEqual({ tracked: ['real file'], broken: [] });
  });

  test('a pointer below another tracked path is broken: two must not claim the same files', () => {
    using folder = gitFolder();
    folder.write('data.dv', treePointer);
    folder.write('data/deep/er.dv', treePointer);
    folder.write('data-2.dv', treePointer);
    const { tracked, broken } = summary(open(folder));
    expect(tracked).toEqual(['data tree', 'data-2 tree']);
    // Without git the folder is not entered at all: `data.dv` says that everything in it is data.
    expect(broken).toEqual(
      engine === 'with git'
        ? ['data/deep/er.dv: data/deep/er is inside data, which dv already tracks as one']
        : [],
    );
  });

  test('damaged pointers are named with line and reason, the others still listed', () => {
    using folder = gitFolder();
    folder.write('bad.dv', filePointer.replace('bytes', 'size'));
    folder.write('good.dv', filePointer);
    folder.write('merge.dv', `<<<<<<< HEAD\n${filePointer}=======\n${treePointer}>>>>>>> other\n`);
    folder.write('newer.dv', filePointer.replace('version: 1', 'version: 2'));
    const repo = open(folder);
    expect(summary(repo)).toMatchInlineSnapshot(`
      {
        "broken": [
          "bad.dv: bad.dv:4: expected \`bytes: …\`, found "size: 10"",
          "merge.dv: merge.dv:1: git left a merge conflict here",
          "newer.dv: newer.dv has format version 2, which this dv does not know",
        ],
        "tracked": [
          "good file",
        ],
      }
    `);
    expect(() => requireTracked(repo)).toThrow();
  });

  test('repositories inside this one are theirs', () => {
    using folder = gitFolder();
    folder.write('good.dv', filePointer);
    folder.write('inner/x.dv', filePointer);
    folder.git(['init', '--quiet', 'inner']);
    folder.git(['init', '--quiet', 'inner.dv']);
    expect(summary(open(folder))).toEqual({ tracked: ['good file'], broken: [] });
  });

  test.skipIf(process.getuid?.() === 0)('a folder that may not be read is passed over', () => {
    using folder = gitFolder();
    folder.write('good.dv', filePointer);
    folder.write('closed/x.dv', filePointer);
    chmodSync(folder.at('closed'), 0);
    expect(summary(open(folder)).tracked).toEqual(['good file']);
    chmodSync(folder.at('closed'), 0o755);
  });
});

test('pointers are found though the caller of git asked for literal pathspecs', () => {
  using folder = gitFolder();
  folder.write('data/train.dv', treePointer);
  const repo = openRepo({ cwd: folder.path, env: { ...folder.env, GIT_LITERAL_PATHSPECS: '1' } });
  expect(summary(repo).tracked).toEqual(['data/train tree']);
});

test('a path without a pointer has none, whatever lies in its way', () => {
  using folder = gitFolder();
  folder.write('file', 'x');
  folder.write('folder.dv/x', 'x');
  const repo = { root: folder.path };
  expect(readPointer(repo, 'missing')).toBeUndefined();
  expect(readPointer(repo, 'file/below')).toBeUndefined();
  expect(readPointer(repo, 'folder')).toBeUndefined();
  folder.write('data.dv', treePointer);
  expect(readPointer(repo, 'data')).toEqual({ kind: 'tree', digest, files: 2, bytes: 10 });
});
