/** What git is given back by the drivers, where no git is needed to see it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import { formatPointer } from '../../../core/model/pointer.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import type { TreeEntry } from '../../../core/model/tree.ts';
import { describeListing } from '../../../core/ops/merge-pointers.ts';
import { joinAdditions } from '../../../hooks/merge-driver.ts';
import { textOf } from '../../../hooks/textconv.ts';

describe('additions at the same place', () => {
  const conflict = (ours: string, base: string, theirs: string) =>
    `/a\n<<<<<<< ours\n${ours}||||||| base\n${base}=======\n${theirs}>>>>>>> theirs\n/z\n`;

  test.each([
    ['each of one line', conflict('/o\n', '', '/t\n'), '/a\n/o\n/t\n/z\n'],
    ['some of them the same', conflict('/o\n/x\n', '', '/x\n/t\n'), '/a\n/o\n/x\n/t\n/z\n'],
    [
      'two places',
      conflict('/1\n', '', '/2\n') + conflict('/2\n', '', '/1\n'),
      '/a\n/1\n/2\n/z\n/a\n/2\n/1\n/z\n',
    ],
    ['no conflict at all', '/a\n', '/a\n'],
    ['a line that was there and changed', conflict('/o\n', '/b\n', '/t\n'), undefined],
    ['a line that was there and went on one side', conflict('', '/b\n', '/t\n'), undefined],
    ['a conflict that does not end', '<<<<<<< ours\n/o\n', undefined],
    ['lines that only look like markers', '======= \n>>>>>>> theirs\n', '======= \n>>>>>>> theirs\n'],
  ])('%s', (_, text, expected) => {
    expect(joinAdditions(text, 7)).toBe(expected);
  });
});

describe('the text of a tree with very many files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dv-textconv-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const cache = { objectsDir: join(folder, 'objects'), temporaryDir: join(folder, 'tmp') };
  const words = {
    describe: () => 'so many',
    size: (bytes: number) => `${bytes} B`,
    name: (text: string) => text,
  };

  const entry = (path: string, content: string): TreeEntry => ({
    path: path as RepoPath,
    digest: digestOf(content),
    sizeBytes: content.length,
    mode: '-',
  });

  /** The lines of one listing. */
  async function linesOf(entries: readonly TreeEntry[], mostLines: number): Promise<string[]> {
    const file = join(folder, 'data.dv');
    writeFileSync(file, formatPointer(await describeListing(cache, entries, true)));
    return textOf(cache, file, words, mostLines).split('\n').slice(0, -1);
  }

  test('has a line for each folder, which changes with any name or content in it', async () => {
    const before = [entry('a/x', '1'), entry('a/y', '2'), entry('b/c/x', '3'), entry('top', '4')];
    expect(await linesOf(before, 4)).toHaveLength(5);
    const [head, note, ...lines] = await linesOf(before, 3);
    expect([head, note]).toEqual([
      'tree: so many',
      '# one line per folder, as there are so many files: dv diff names them',
    ]);
    expect(lines.map((line) => line.replace(/ {2}[0-9a-f]{8}$/, ''))).toEqual([
      'a/  2 files  2 B',
      'b/c/  1 files  1 B',
      './  1 files  1 B',
    ]);
    for (const after of [
      [before[0]!, entry('a/y', 'z'), ...before.slice(2)],
      [before[0]!, { ...before[1]!, path: 'a/z' as RepoPath }, ...before.slice(2)],
      [{ ...before[0]!, mode: 'x' as const }, ...before.slice(1)],
    ]) {
      const changed = (await linesOf(after, 3)).slice(2);
      expect(changed.map((line, i) => line === lines[i])).toEqual([false, true, true]);
    }
  });
});
