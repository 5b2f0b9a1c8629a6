/** The three-way merge of listings, against a naive one and for what must always hold. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import { applyEdits, chooseSide, mergeListings } from '../../../core/model/merge-tree.ts';
import { comparePaths, type RepoPath } from '../../../core/model/repo-path.ts';
import { diffEntries, encodeTree, type FileMode, type TreeEntry } from '../../../core/model/tree.ts';

/** A listing from `path: content`; a content ending in `x!` is executable, one beginning with `>` a link. */
function listing(files: Record<string, string>): TreeEntry[] {
  return Object.entries(files)
    .map(([path, content]): TreeEntry => {
      const mode: FileMode = content.endsWith('x!') ? 'x' : content.startsWith('>') ? 'l' : '-';
      const bytes = content.replace(/x!$/, '');
      return { path: path as RepoPath, digest: digestOf(bytes), sizeBytes: bytes.length, mode };
    })
    .sort((a, b) => comparePaths(a.path, b.path));
}

type Files = Record<string, string>;
const merge = (base: TreeEntry[], ours: TreeEntry[], theirs: TreeEntry[]) =>
  mergeListings(ours, { ours: diffEntries(base, ours), theirs: diffEntries(base, theirs) });
const mergeFiles = (base: Files, ours: Files, theirs: Files) =>
  merge(listing(base), listing(ours), listing(theirs));
const conflictsOf = (base: Files, ours: Files, theirs: Files) =>
  mergeFiles(base, ours, theirs).conflicts.map(({ path }) => path);

describe('a file', () => {
  test.each<[string, Files, Files, Files, Files]>([
    ['changed by us', { a: '1' }, { a: '2' }, { a: '1' }, { a: '2' }],
    ['changed by them', { a: '1' }, { a: '1' }, { a: '2' }, { a: '2' }],
    ['changed by both, the same', { a: '1' }, { a: '2' }, { a: '2' }, { a: '2' }],
    ['added by both, the same', {}, { a: '2' }, { a: '2' }, { a: '2' }],
    ['deleted by them', { a: '1', b: '1' }, { a: '1', b: '2' }, { b: '1' }, { b: '2' }],
    ['deleted by both', { a: '1' }, {}, {}, {}],
    ['changed by us, made executable by them', { a: '1' }, { a: '2' }, { a: '1x!' }, { a: '2x!' }],
    ['a folder for them, where ours did nothing', { a: '1' }, { a: '1' }, { 'a/b': '2' }, { 'a/b': '2' }],
  ])('%s', (_, base, ours, theirs, expected) => {
    expect(mergeFiles(base, ours, theirs)).toEqual({ entries: listing(expected), conflicts: [] });
  });

  test.each<[string, Files, Files, Files]>([
    ['changed by both', { a: '1' }, { a: '2' }, { a: '3' }],
    ['added by both', {}, { a: '2' }, { a: '3' }],
    ['changed by us, deleted by them', { a: '1' }, { a: '2' }, {}],
    ['a link whose target both changed', { a: '>x' }, { a: '>y' }, { a: '>z' }],
    ['a file for us, a link for them', { a: '1' }, { a: '2' }, { a: '>1' }],
  ])('%s is in conflict, and as in ours', (_, base, ours, theirs) => {
    const merged = mergeFiles(base, ours, theirs);
    expect(merged.entries).toEqual(listing(ours));
    expect(merged.conflicts.map(({ path }) => path)).toEqual(['a']);
    expect(chooseSide(merged.entries, merged.conflicts, 'theirs')).toEqual(listing(theirs));
    expect(chooseSide(merged.entries, merged.conflicts, 'base')).toEqual(listing(base));
  });

  test('deleted by us, changed by them is in conflict', () => {
    expect(conflictsOf({ a: '1', b: '1' }, { b: '1' }, { a: '2', b: '1' })).toEqual(['a']);
  });
});

describe('a file where the other side has a folder', () => {
  test('is in conflict, and either can be taken', () => {
    const ours = { a: '1', z: '1' };
    const theirs = { 'a/b': '2', 'a/c': '3', z: '1' };
    const { entries, conflicts } = mergeFiles({ z: '1' }, ours, theirs);
    expect(entries).toEqual(listing(ours));
    expect(conflicts.map(({ path, obstacles }) => [path, obstacles?.map((o) => o.path)])).toEqual([
      ['a/b', ['a']],
      ['a/c', ['a']],
    ]);
    const chosen = chooseSide(entries, conflicts, 'theirs');
    expect(chosen).toEqual(listing(theirs));
    expect(chooseSide(chosen, conflicts, 'ours')).toEqual(listing(ours));
  });

  test('and the other way round', () => {
    const { entries, conflicts } = mergeFiles({}, { 'a/b': '2', 'a!': '3' }, { a: '1' });
    expect(entries).toEqual(listing({ 'a/b': '2', 'a!': '3' }));
    expect(conflicts.map(({ path }) => path)).toEqual(['a']);
    expect(chooseSide(entries, conflicts, 'theirs')).toEqual(listing({ a: '1', 'a!': '3' }));
  });
});

// Few names, of which some are folders of others, and few contents: most merges have conflicts of every kind.
const anyFiles = fc
  .dictionary(
    fc.constantFrom('a', 'a/b', 'a/c', 'a!', 'd/e/f', 'd/e', 'd', 'g'),
    fc.constantFrom('1', '2', '2x!', '>3'),
  )
  .map((files) => {
    const names = Object.keys(files);
    return Object.fromEntries(
      Object.entries(files).filter(([path]) => !names.some((name) => name.startsWith(`${path}/`))),
    );
  });

test('any merge is a listing, takes what one side alone did, and each side can be chosen', async () => {
  await fc.assert(
    fc.asyncProperty(anyFiles, anyFiles, anyFiles, async (b, o, t) => {
      const [base, ours, theirs] = [listing(b), listing(o), listing(t)];
      const { entries, conflicts } = merge(base, ours, theirs);
      for (const side of ['ours', 'theirs', 'base'] as const) {
        const chosen = chooseSide(entries, conflicts, side);
        await encodeTree(chosen);
        for (const one of conflicts) await encodeTree(chooseSide(chosen, [one], 'ours'));
        for (const one of conflicts) await encodeTree(chooseSide(chosen, [one], 'theirs'));
      }
      await encodeTree(entries);
      const told = new Set(
        conflicts.flatMap(({ path, obstacles = [] }) => [path, ...obstacles.map((x) => x.path)]),
      );
      for (const path of Object.keys({ ...b, ...o, ...t })) {
        const found = entries.find((entry) => entry.path === path);
        const of = (side: TreeEntry[]) => side.find((entry) => entry.path === path);
        const same = (x?: TreeEntry, y?: TreeEntry) => x?.digest === y?.digest && x?.mode === y?.mode;
        if (told.has(path as RepoPath)) expect(same(found, of(ours))).toBe(true);
        else if (same(of(base), of(ours))) expect(same(found, of(theirs))).toBe(true);
        else if (same(of(base), of(theirs)) || same(of(ours), of(theirs)))
          expect(same(found, of(ours))).toBe(true);
      }
      expect(merge(base, base, theirs)).toEqual({ entries: theirs, conflicts: [] });
      expect(merge(base, ours, base)).toEqual({ entries: ours, conflicts: [] });
      expect(chooseSide(entries, conflicts, 'ours')).toEqual(entries);
    }),
    { numRuns: 1000 },
  );
});

test('edits keep a listing sorted, wherever they fall', () => {
  const entries = listing({ b: '1', d: '1', f: '1' });
  const [a, e, g] = listing({ a: '2', e: '2', g: '2' });
  const edits = new Map([
    [g!.path, g],
    [a!.path, a],
    ['d' as RepoPath, undefined],
    [e!.path, e],
    ['zzz' as RepoPath, undefined],
  ]);
  expect(applyEdits(entries, edits)).toEqual(listing({ a: '2', b: '1', e: '2', f: '1', g: '2' }));
});
