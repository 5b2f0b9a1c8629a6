import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { objectPath } from '../../../core/store/cache.ts';
import { readFiles } from '../../../core/store/read-files.ts';
import { temporaryFolder } from '../../support/git-folder.ts';

test('a file whose object lost its bytes is stored again, one whose object is whole is not', () => {
  using folder = temporaryFolder();
  const store = { objectsDir: folder.at('objects'), temporaryFolder: folder.at('tmp') };
  mkdirSync(store.temporaryFolder);
  const large = Buffer.alloc(9 << 20, 'x');
  for (const content of [Buffer.from('content'), large]) {
    folder.write('data/file', content);
    const digest = digestOf(content);
    const object = objectPath(store, digest);
    mkdirSync(dirname(object), { recursive: true });
    const stored = (cached: Uint8Array) => {
      writeFileSync(object, cached);
      return readFiles({ kind: 'read', root: folder.path, folder: 'data' as RepoPath, names: 'file', store })
        .stored;
    };
    expect(stored(content)).toEqual([]);
    expect(stored(content.subarray(0, 3))).toEqual([digest]);
  }
});

test('what cannot be recorded is told, file by file', () => {
  using folder = temporaryFolder();
  folder.write('good', 'x');
  folder.write('folder/x', 'x');
  symlinkSync('../outside', folder.at('out'));
  symlinkSync('good', folder.at('in'));
  const names = ['good', 'gone', 'folder', 'out', 'in'];
  const { digests, reasons } = readFiles({
    kind: 'read',
    root: folder.path,
    folder: '' as RepoPath,
    names: names.join('\0'),
  });
  expect(digests).toEqual([digestOf('x'), undefined, undefined, undefined, digestOf('good')]);
  expect(reasons.map(([i, reason]) => [names[i], reason])).toMatchInlineSnapshot(`
    [
      [
        "gone",
        "ENOENT: no such file or directory",
      ],
      [
        "folder",
        "it is neither a file, a folder nor a link",
      ],
      [
        "out",
        "it is a link to ../outside: its target is outside the tracked folder",
      ],
    ]
  `);
});
