import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { DvError } from '../../../core/errors.ts';
import { type Digest, digestOf, hexOf } from '../../../core/model/digest.ts';
import { comparePaths, type RepoPath } from '../../../core/model/repo-path.ts';
import {
  diffEntries,
  diffTrees,
  encodeTree,
  type LeafRef,
  maxSingle,
  parseIndex,
  readLeaf,
  readTree,
  type TreeChange,
  type TreeEntry,
  totalBytes,
  treeObjects,
} from '../../../core/model/tree.ts';
import {
  anyDigest,
  anyFileSize,
  anyListing,
  anyMode,
  anyPath,
  seededNumbers,
} from '../../support/arbitraries.ts';
import { ObjectMap, seededListing } from '../../support/stored-tree.ts';

const hex = 'ab'.repeat(32);

/** What a tree of these bytes is refused with, its digest left out. */
function refusal(bytes: Uint8Array | string): string {
  const objects = new ObjectMap();
  const digest = objects.put(bytes);
  return refused(() => readTree(digest, objects.read)).replaceAll(digest, '<digest>');
}

function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof DvError) return error.message;
    throw error;
  }
  return 'accepted';
}

/** The leaves of a tree. */
function leavesOf(digest: Digest, objects: ObjectMap): LeafRef[] {
  return parseIndex(objects.read(digest), 'index') ?? [];
}

describe('encoding', () => {
  test('a tree reads back as it was written, and has one encoding', async () => {
    await fc.assert(
      fc.asyncProperty(anyListing, async (entries) => {
        const objects = new ObjectMap();
        const encoded = await encodeTree(entries);
        const digest = await objects.putTree(entries);
        expect(readTree(digest, objects.read)).toEqual(entries);
        expect(await objects.putTree(readTree(digest, objects.read))).toBe(digest);
        expect(encoded).toMatchObject({ digest, files: entries.length, bytes: totalBytes(entries) });
        expect(treeObjects(digest, objects.read)).toEqual([digest]);
      }),
    );
  });

  test.each([0, 1, 8192, 8193, 100_000])('%i entries come back', async (count) => {
    const objects = new ObjectMap();
    const entries = seededListing(count);
    const digest = await objects.putTree(entries);
    const back = readTree(digest, objects.read);
    expect(back.length).toBe(count);
    expect(back).toEqual(entries);
    const leaves = leavesOf(digest, objects);
    expect(leaves.length > 0).toBe(count > maxSingle);
    expect(treeObjects(digest, objects.read)).toEqual([digest, ...leaves.map((leaf) => leaf.digest)]);
  });

  test('leaves end where the hash of a path says so, from 2,048 to 32,768 entries', async () => {
    const { h64 } = await xxhash();
    const entries = seededListing(300_000, 3);
    const objects = new ObjectMap();
    const digest = await objects.putTree(entries);
    const ends: number[] = [];
    let length = 0;
    for (const [i, entry] of entries.entries()) {
      length++;
      const cut = length >= 2048 && (h64(entry.path) & 0x1fffn) === 0n;
      if (cut || length === 32_768 || i === entries.length - 1) {
        ends.push(i);
        length = 0;
      }
    }
    const leaves = leavesOf(digest, objects);
    let last = -1;
    expect(leaves.map((leaf) => (last += leaf.entries))).toEqual(ends);
    expect(leaves.length).toBeGreaterThan(10);
  });

  test('a leaf that no hash ends is cut at 32,768 entries', async () => {
    const { h64 } = await xxhash();
    const entries = seededListing(110_000).filter((entry) => (h64(entry.path) & 0x1fffn) !== 0n);
    const objects = new ObjectMap();
    const leaves = leavesOf(await objects.putTree(entries), objects);
    expect(leaves.map((leaf) => leaf.entries)).toEqual([32_768, 32_768, 32_768, entries.length - 3 * 32_768]);
  });

  test.each([
    ['out of order', ['b', 'a']],
    ['twice', ['a', 'a']],
    ['a file that is also a folder', ['a', 'a-', 'a/b']],
    ['a path that may not be', ['.git/config']],
    ['sizes above 2^53 - 1 in all', ['a', 'b']],
  ])('entries no reader would take are a bug of the caller: %s', async (_, paths) => {
    const entries = paths.map((path) => ({
      path: path as RepoPath,
      digest: digestOf(path),
      sizeBytes: Number.MAX_SAFE_INTEGER,
      mode: '-' as const,
    }));
    const error = await encodeTree(entries).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(DvError);
  });
});

describe('malformed trees', () => {
  const line = (path: string, digits = hex, size = '1', mode = '-') => `${digits} ${size} ${mode} ${path}\n`;
  const tree = (...lines: string[]) => `dv-tree 1\n${lines.join('')}`;
  const latin1 = (text: string) => Buffer.from(text, 'latin1');
  const malformed: [string, Uint8Array | string][] = [
    ['empty', ''],
    ['another header', 'dv-tree one\n'],
    ['header without newline', 'dv-tree 1'],
    ['byte order mark', `\ufeff${tree(line('a'))}`],
    ['CR LF', tree(line('a')).replaceAll('\n', '\r\n')],
    ['CR LF behind the header', tree(line('a\r'))],
    ['newer version', 'dv-tree 2\nanything\n'],
    ['newer index', 'dv-tree-index 12\nanything\n'],
    ['version 0', 'dv-tree 0\n'],
    ['version 01', 'dv-tree 01\n'],
    ['no final newline', tree(line('a'), line('b')).trimEnd()],
    ['empty line', tree(line('a'), '\n', line('b'))],
    ['two final newlines', tree(line('a'), '\n')],
    ['digest in upper case', tree(line('a', 'AB'.repeat(32)))],
    ['digest too short', tree(line('a', hex.slice(1)))],
    ['digest too long', tree(line('a', `${hex}0`))],
    ['digest with its algorithm', tree(line('a', `sha256:${hex}`))],
    ['digest with a letter beyond ASCII', tree(line('a', `${hex.slice(1)}\u0161`))],
    ['cut in the digest', tree(`${hex.slice(0, 30)}\n`)],
    ['cut behind the digest', tree(`${hex}\n`)],
    ['cut behind the size', tree(`${hex} 1\n`)],
    ['cut behind the mode', tree(`${hex} 1 -\n`)],
    ['no path', tree(line(''))],
    ['leading zero', tree(line('a', hex, '01'))],
    ['negative size', tree(line('a', hex, '-1'))],
    ['size with exponent', tree(line('a', hex, '1e3'))],
    ['size above 2^53 - 1', tree(line('a', hex, '9007199254740992'))],
    ['size of 400 digits', tree(line('a', hex, '9'.repeat(400)))],
    ['no size', tree(line('a', hex, ''))],
    ['unknown mode', tree(line('a', hex, '1', 'd'))],
    ['long mode', tree(line('a', hex, '1', '--'))],
    ['two spaces', tree(line('a', `${hex} `))],
    ['tab', tree(line('a').replace(' ', '\t'))],
    ['same path twice', tree(line('a'), line('a'))],
    ['unsorted', tree(line('b'), line('a'))],
    ['sorted by UTF-16', tree(line('\u{1f600}'), line('\uffff'))],
    ['longer before shorter', tree(line('ab'), line('a'))],
    ['file and folder', tree(line('a'), line('a/b'))],
    ['file and folder, apart', tree(line('x/a'), line('x/a-b'), line('x/a.png'), line('x/a/b/c'))],
    ['..', tree(line('a/../b'))],
    ['absolute', tree(line('/etc/passwd'))],
    ['.GIT', tree(line('.GIT/config'))],
    ['.git.', tree(line('a/.git./x'))],
    ['git~1', tree(line('a/git~1/x'))],
    ['ignored by HFS+', tree(line('.g\u200cit'))],
    ['.git behind a shared folder', tree(line('a/b/c'), line('a/b/d/.git'))],
    ['NUL', tree(line('a\0b'))],
    ['empty part', tree(line('a//b'))],
    ['slash at the end', tree(line('a/'))],
    ['slash at the end, behind a shared folder', tree(line('a/b'), line('a/c/'))],
    ['escape in lower case', tree(line('a%0ab'))],
    ['escape of a character that needs none', tree(line('a%20b'))],
    ['lone percent', tree(line('100%'))],
    ['escaped slash', tree(line('a%2Fb'))],
    ['escaped ..', tree(line('%2E%2E/b'))],
    ['raw CR', tree(line('a\rb'))],
    ['not UTF-8', latin1(tree(line('a'), line('caf\xe9')))],
    ['half a surrogate', Buffer.concat([latin1(tree(line('a'))), latin1(line('\xed\xa0\x80'))])],
    ['overlong slash', latin1(tree(line('a\xc0\xafb')))],
    ['binary', Buffer.from([0, 1, 2, 255])],
    ['escape codes', tree(line('b'), line('a\u001b[31m\u009b31m\u202e'))],
    ['an index of few', `dv-tree-index 1\n${hex} 5 5 a\n`],
    ['an index of nothing', 'dv-tree-index 1\n'],
    ['a leaf of no entries', `dv-tree-index 1\n${hex} 0 0 a\n`],
    ['a leaf too long', `dv-tree-index 1\n${hex} 32769 0 a\n`],
    ['a leaf too short', `dv-tree-index 1\n${hex} 2047 0 a\n${hex} 9000 0 b\n`],
    ['an index out of order', `dv-tree-index 1\n${hex} 9000 0 b\n${hex} 9000 0 a\n`],
    ['an index with a mode', `dv-tree-index 1\n${hex} 9000 - a\n`],
    ['an index without newline', `dv-tree-index 1\n${hex} 9000 0 a`],
    ['sizes above 2^53 - 1 in all', tree(line('a', hex, `${Number.MAX_SAFE_INTEGER}`), line('b'))],
    [
      'one entry too many for one object',
      tree(...Array.from({ length: 8193 }, (_, i) => line(`${10_000 + i}`))),
    ],
  ];

  test('are refused with line and what was expected', () => {
    const refusals = malformed.map(([what, bytes]) => `${what} => ${refusal(bytes)}`);
    expect(refusals.join('\n')).toMatchInlineSnapshot(`
      "empty => tree <digest>:1: expected \`dv-tree 1\` and a newline, found ""
      another header => tree <digest>:1: expected \`dv-tree 1\` and a newline, found "dv-tree one"
      header without newline => tree <digest>:1: expected \`dv-tree 1\` and a newline, found "dv-tree 1"
      byte order mark => tree <digest>:1: expected \`dv-tree 1\` and a newline, found "\\ufeffdv-tree 1"
      CR LF => tree <digest>:1: expected \`dv-tree 1\` and a newline, found "dv-tree 1\\r"
      CR LF behind the header => tree <digest>:2: expected a path with no escapes but %25, %0A and %0D and no CR, found "a\\r"
      newer version => tree <digest> has format version 2, which this dv does not know
      newer index => tree <digest> has format version 12, which this dv does not know
      version 0 => tree <digest>:1: expected \`dv-tree 1\` and a newline, found "dv-tree 0"
      version 01 => tree <digest>:1: expected \`dv-tree 1\` and a newline, found "dv-tree 01"
      no final newline => tree <digest>:3: expected a newline at the end
      empty line => tree <digest>:3: expected 64 lower-case hex digits and a space, found ""
      two final newlines => tree <digest>:3: expected 64 lower-case hex digits and a space, found ""
      digest in upper case => tree <digest>:2: expected 64 lower-case hex digits and a space, found "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB 1 - a"
      digest too short => tree <digest>:2: expected 64 lower-case hex digits and a space, found "bababababababababababababababababababababababababababababababab 1 - a"
      digest too long => tree <digest>:2: expected 64 lower-case hex digits and a space, found "abababababababababababababababababababababababababababababababab0 1 - a"
      digest with its algorithm => tree <digest>:2: expected 64 lower-case hex digits and a space, found "sha256:abababababababababababababababababababababababababababababababab 1 - a"
      digest with a letter beyond ASCII => tree <digest>:2: expected 64 lower-case hex digits and a space, found "babababababababababababababababababababababababababababababababš 1 - a"
      cut in the digest => tree <digest>:2: expected 64 lower-case hex digits and a space, found "ababababababababababababababab"
      cut behind the digest => tree <digest>:2: expected 64 lower-case hex digits and a space, found "abababababababababababababababababababababababababababababababab"
      cut behind the size => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found "1"
      cut behind the mode => tree <digest>:2: expected one of -, x, l and a space, found "-"
      no path => tree <digest>:2: the path "" is not allowed: it is empty
      leading zero => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found "01 - a"
      negative size => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found "-1 - a"
      size with exponent => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found "1e3 - a"
      size above 2^53 - 1 => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found "9007199254740992 - a"
      size of 400 digits => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found "999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999…"
      no size => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found " - a"
      unknown mode => tree <digest>:2: expected one of -, x, l and a space, found "d a"
      long mode => tree <digest>:2: expected one of -, x, l and a space, found "-- a"
      two spaces => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found " 1 - a"
      tab => tree <digest>:2: expected 64 lower-case hex digits and a space, found "abababababababababababababababababababababababababababababababab\\t1 - a"
      same path twice => tree <digest>:3: the path "a" stands here twice
      unsorted => tree <digest>:3: the path "a" is out of order: it belongs before "b"
      sorted by UTF-16 => tree <digest>:3: the path "￿" is out of order: it belongs before "😀"
      longer before shorter => tree <digest>:3: the path "a" is out of order: it belongs before "ab"
      file and folder => tree <digest>:3: "a" is listed as a file and as a folder
      file and folder, apart => tree <digest>:5: "x/a" is listed as a file and as a folder
      .. => tree <digest>:2: the path "a/../b" is not allowed: it has a part \`.\` or \`..\`
      absolute => tree <digest>:2: the path "/etc/passwd" is not allowed: it is absolute
      .GIT => tree <digest>:2: the path ".GIT/config" is not allowed: it has a part that names .git
      .git. => tree <digest>:2: the path "a/.git./x" is not allowed: it has a part that names .git
      git~1 => tree <digest>:2: the path "a/git~1/x" is not allowed: it has a part that names .git
      ignored by HFS+ => tree <digest>:2: the path ".g\\u200cit" is not allowed: it has a part that names .git
      .git behind a shared folder => tree <digest>:3: the path "a/b/d/.git" is not allowed: it has a part that names .git
      NUL => tree <digest>:2: the path "a\\u0000b" is not allowed: it contains a NUL byte
      empty part => tree <digest>:2: the path "a//b" is not allowed: it has an empty part
      slash at the end => tree <digest>:2: the path "a/" is not allowed: it has an empty part
      slash at the end, behind a shared folder => tree <digest>:3: the path "a/c/" is not allowed: it has an empty part
      escape in lower case => tree <digest>:2: expected a path with no escapes but %25, %0A and %0D and no CR, found "a%0ab"
      escape of a character that needs none => tree <digest>:2: expected a path with no escapes but %25, %0A and %0D and no CR, found "a%20b"
      lone percent => tree <digest>:2: expected a path with no escapes but %25, %0A and %0D and no CR, found "100%"
      escaped slash => tree <digest>:2: expected a path with no escapes but %25, %0A and %0D and no CR, found "a%2Fb"
      escaped .. => tree <digest>:2: expected a path with no escapes but %25, %0A and %0D and no CR, found "%2E%2E/b"
      raw CR => tree <digest>:2: expected a path with no escapes but %25, %0A and %0D and no CR, found "a\\rb"
      not UTF-8 => tree <digest>:3: expected UTF-8 text
      half a surrogate => tree <digest>:3: expected UTF-8 text
      overlong slash => tree <digest>:2: expected UTF-8 text
      binary => tree <digest>:1: expected UTF-8 text
      escape codes => tree <digest>:3: the path "a\\u001b[31m\\u009b31m\\u202e" is out of order: it belongs before "b"
      an index of few => tree <digest>:2: expected more than 8192 entries in an index, not 5
      an index of nothing => tree <digest>:1: expected more than 8192 entries in an index, not 0
      a leaf of no entries => tree <digest>:2: expected a leaf of 1 to 32768 entries, not 0
      a leaf too long => tree <digest>:2: expected a leaf of 1 to 32768 entries, not 32769
      a leaf too short => tree <digest>:3: expected at least 2048 entries in every leaf but the last
      an index out of order => tree <digest>:3: the path "a" is out of order: it belongs before "b"
      an index with a mode => tree <digest>:2: expected a whole number up to 9007199254740991 and a space, found "- a"
      an index without newline => tree <digest>:2: expected a newline at the end
      sizes above 2^53 - 1 in all => tree <digest>: expected sizes that add up to at most 9007199254740991
      one entry too many for one object => tree <digest>: expected at most 8192 entries in a tree without leaves, found 8193"
    `);
  });

  test('any change of one byte is refused or is another tree that encodes to the changed bytes', async () => {
    await fc.assert(
      fc.asyncProperty(anyListing, fc.nat(), fc.nat({ max: 255 }), async (entries, where, value) => {
        const [object] = (await encodeTree(entries)).objects;
        const changed = Buffer.from(object!.bytes);
        changed[where % changed.length] = value;
        const objects = new ObjectMap();
        const digest = objects.put(changed);
        let back: TreeEntry[];
        try {
          back = readTree(digest, objects.read);
        } catch (error) {
          expect(error).toBeInstanceOf(DvError);
          return;
        }
        expect((await encodeTree(back)).digest).toBe(digest);
      }),
      { numRuns: 500 },
    );
  });

  test('a missing object is the reader’s to report', () => {
    expect(refused(() => readTree(digestOf('x'), new ObjectMap().read))).toContain('is not in the cache');
  });
});

describe('an index that lies about its leaves', () => {
  const listing = seededListing(20_000, 5);

  async function forged(change: (refs: LeafRef[], objects: ObjectMap) => LeafRef[]): Promise<string> {
    const objects = new ObjectMap();
    const refs = change(leavesOf(await objects.putTree(listing), objects), objects);
    const text = refs.map((ref) => `${hexOf(ref.digest)} ${ref.entries} ${ref.bytes} ${ref.firstPath}\n`);
    const digest = objects.put(`dv-tree-index 1\n${text.join('')}`);
    const whole = refused(() => readTree(digest, objects.read));
    // A diff looks only at the leaves that differ, and must not believe them either.
    const other = await objects.putTree(seededListing(9000, 6));
    expect(refused(() => diffTrees(other, digest, objects.read)) === 'accepted').toBe(whole === 'accepted');
    return whole.replace(/[0-9a-f]{64}/g, '<digest>');
  }

  const leafOf = (entries: readonly TreeEntry[], objects: ObjectMap): LeafRef => {
    const text = entries.map((each) => `${hexOf(each.digest)} ${each.sizeBytes} ${each.mode} ${each.path}\n`);
    return {
      digest: objects.put(`dv-tree 1\n${text.join('')}`),
      entries: entries.length,
      bytes: totalBytes(entries),
      firstPath: entries[0]!.path,
    };
  };

  test('an honest copy is accepted', async () => {
    expect(await forged((refs) => refs)).toBe('accepted');
  });

  test('about the number of entries', async () => {
    expect(
      await forged(([first, ...rest]) => [{ ...first!, entries: first!.entries + 1 }, ...rest]),
    ).toMatchInlineSnapshot(
      `"tree sha256:<digest>: its index says this leaf's number of entries is 3132, found 3131"`,
    );
  });

  test('about the sum of sizes', async () => {
    expect(
      await forged(([first, ...rest]) => [{ ...first!, bytes: first!.bytes + 1 }, ...rest]),
    ).toMatchInlineSnapshot(
      `"tree sha256:<digest>: its index says this leaf's sum of sizes is 31016480, found 31016479"`,
    );
  });

  test('about the first path', async () => {
    expect(
      await forged(([first, ...rest]) => [{ ...first!, firstPath: 'class' as RepoPath }, ...rest]),
    ).toMatchInlineSnapshot(
      `"tree sha256:<digest>: its index says this leaf's first path is "class", found "class-0000/img-0000000.png""`,
    );
  });

  test('with overlapping leaves', async () => {
    expect(
      await forged((_, objects) => [
        leafOf([...listing.slice(0, 6000), listing[9000]!], objects),
        leafOf(listing.slice(6000, 12_000), objects),
      ]),
    ).toMatchInlineSnapshot(
      `"tree sha256:<digest>:2: the path "class-0006/img-0006000.png" is out of order: it belongs before "class-0009/img-0009000.png""`,
    );
  });

  test('with the same leaf twice', async () => {
    expect(await forged((refs) => [refs[0]!, refs[0]!])).toMatchInlineSnapshot(
      `"tree sha256:<digest>:3: the path "class-0000/img-0000000.png" stands here twice"`,
    );
  });

  test('with a file in one leaf that is a folder in the next', async () => {
    expect(
      await forged((_, objects) => {
        const file = { ...listing[0]!, path: 'class-0006' as RepoPath };
        return [
          leafOf([...listing.slice(0, 6000), file], objects),
          leafOf(listing.slice(6000, 12_000), objects),
        ];
      }),
    ).toMatchInlineSnapshot(`"tree sha256:<digest>:2: "class-0006" is listed as a file and as a folder"`);
  });

  test('with an index as a leaf', async () => {
    expect(
      await forged((refs, objects) => {
        const lines = refs.map(
          (ref) => `${hexOf(ref.digest)} ${ref.entries} ${ref.bytes} ${ref.firstPath}\n`,
        );
        const digest = objects.put(`dv-tree-index 1\n${lines.join('')}`);
        return [{ ...refs[0]!, digest, entries: 20_000 }];
      }),
    ).toMatchInlineSnapshot(
      `"tree sha256:<digest>:1: expected \`dv-tree 1\` and a newline, found "dv-tree-index 1""`,
    );
  });

  test('to a reader of one leaf', async () => {
    const objects = new ObjectMap();
    const [ref] = leavesOf(await objects.putTree(listing), objects);
    expect(readLeaf(ref!, objects.read)).toEqual(listing.slice(0, ref!.entries));
    expect(refused(() => readLeaf({ ...ref!, entries: 5 }, objects.read))).toContain(
      'number of entries is 5',
    );
  });
});

describe('a small change to a long listing', () => {
  test('one new path changes its leaf and the index, now and then the leaves around a moved cut', async () => {
    const listing = seededListing(60_000, 7);
    const objects = new ObjectMap();
    const before = new Set(treeObjects(await objects.putTree(listing), objects.read));
    const next = seededNumbers(11);
    let oneLeaf = 0;
    const runs = 20;
    for (let run = 0; run < runs; run++) {
      const at = next() % listing.length;
      const added = { ...listing[at]!, path: `${listing[at]!.path}-${next()}` as RepoPath };
      const after = [...listing.slice(0, at + 1), added, ...listing.slice(at + 1)];
      const changed = treeObjects(await objects.putTree(after), objects.read).filter(
        (digest) => !before.has(digest),
      );
      // The index is one of them.
      if (changed.length === 2) oneLeaf++;
      expect(changed.length).toBeLessThanOrEqual(4);
    }
    expect(oneLeaf).toBeGreaterThanOrEqual(runs * 0.9);
  });

  test('one changed file changes exactly its leaf and the index', async () => {
    const listing = seededListing(60_000, 7);
    const objects = new ObjectMap();
    const before = new Set(treeObjects(await objects.putTree(listing), objects.read));
    for (const at of [0, 1, 30_000, 59_999]) {
      const after = listing.with(at, { ...listing[at]!, digest: digestOf('edited') });
      const all = treeObjects(await objects.putTree(after), objects.read);
      expect(all.filter((digest) => !before.has(digest)).length).toBe(2);
    }
  });
});

describe('differences', () => {
  /** The difference as a person would find it: path by path. */
  function naiveDiff(before: readonly TreeEntry[], after: readonly TreeEntry[]): TreeChange[] {
    const a = new Map(before.map((entry) => [entry.path, entry]));
    const b = new Map(after.map((entry) => [entry.path, entry]));
    return [...new Set([...a.keys(), ...b.keys()])].sort(comparePaths).flatMap((path) => {
      const [x, y] = [a.get(path), b.get(path)];
      if (x && y && x.digest === y.digest && x.mode === y.mode) return [];
      return [{ path, ...(x ? { before: x } : {}), ...(y ? { after: y } : {}) }];
    });
  }

  const anyEdit = fc.record({
    where: fc.nat(),
    what: fc.constantFrom('delete', 'change', 'mode', 'insert', 'cut'),
    path: anyPath,
    digest: anyDigest,
    sizeBytes: anyFileSize,
    mode: anyMode,
  });

  type Edit = typeof anyEdit extends fc.Arbitrary<infer Value> ? Value : never;

  function edited(listing: readonly TreeEntry[], edits: readonly Edit[]) {
    const entries = new Map(listing.map((entry) => [entry.path, entry]));
    for (const { where, what, path, digest, sizeBytes, mode } of edits) {
      const old = listing[where % Math.max(1, listing.length)];
      if (what === 'insert') {
        // Below a folder of its own, so that it meets no file of the listing.
        const added = `class-${String(where % 45).padStart(4, '0')}+/${path}` as RepoPath;
        const clash = [...entries.keys()].some(
          (other) => other.startsWith(`${added}/`) || added.startsWith(`${other}/`),
        );
        if (!clash) entries.set(added, { path: added, digest, sizeBytes, mode });
      } else if (old !== undefined && entries.has(old.path)) {
        if (what === 'delete') entries.delete(old.path);
        else if (what === 'change') entries.set(old.path, { ...old, digest, sizeBytes });
        else if (what === 'mode') entries.set(old.path, { ...old, mode });
        else
          for (const gone of listing.slice(where % listing.length).slice(0, 3000)) entries.delete(gone.path);
      }
    }
    return [...entries.values()].sort((a, b) => comparePaths(a.path, b.path));
  }

  test('of small trees are what a naive comparison finds', async () => {
    await fc.assert(
      fc.asyncProperty(anyListing, anyListing, async (a, b) => {
        const objects = new ObjectMap();
        const [before, after] = [await objects.putTree(a), await objects.putTree(b)];
        expect(diffTrees(before, after, objects.read)).toEqual(naiveDiff(a, b));
        expect(diffEntries(a, b)).toEqual(naiveDiff(a, b));
      }),
    );
  });

  test('of long trees are what a naive comparison finds, and cost only the leaves that differ', async () => {
    const listing = seededListing(45_000, 9);
    const objects = new ObjectMap();
    const before = await objects.putTree(listing);
    await fc.assert(
      fc.asyncProperty(fc.array(anyEdit, { maxLength: 6 }), async (edits) => {
        const changed = edited(listing, edits);
        const after = await objects.putTree(changed);
        const [a, b] = [treeObjects(before, objects.read), treeObjects(after, objects.read)];
        objects.reads.length = 0;
        const changes = diffTrees(before, after, objects.read);
        expect(changes).toEqual(naiveDiff(listing, changed));
        const differing = [
          ...a.filter((each) => !b.includes(each)),
          ...b.filter((each) => !a.includes(each)),
        ];
        expect([...objects.reads].sort()).toEqual(differing.sort());
      }),
      { numRuns: 12, endOnFailure: true },
    );
  });

  test('between a long tree, a short one and none are complete', async () => {
    const objects = new ObjectMap();
    const long = seededListing(9000);
    const short = long.slice(4000, 4010);
    const [a, b] = [await objects.putTree(long), await objects.putTree(short)];
    expect(diffTrees(a, b, objects.read)).toEqual(naiveDiff(long, short));
    expect(diffTrees(b, a, objects.read)).toEqual(naiveDiff(short, long));
    expect(diffTrees(undefined, a, objects.read)).toEqual(naiveDiff([], long));
    expect(diffTrees(a, undefined, objects.read)).toEqual(naiveDiff(long, []));
    objects.reads.length = 0;
    expect(diffTrees(a, a, objects.read)).toEqual([]);
    expect(diffTrees(undefined, undefined, objects.read)).toEqual([]);
    expect(objects.reads).toEqual([]);
  });
});
