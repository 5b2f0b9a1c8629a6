import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Digest, digestOf } from '../../../core/model/digest.ts';
import { comparePaths, type RepoPath } from '../../../core/model/repo-path.ts';
import {
  diffEntries,
  encodeTree,
  type FileMode,
  type ReadObject,
  readTree,
  type TreeChange,
  type TreeEntry,
} from '../../../core/model/tree.ts';
import { compareTrees } from '../../../core/model/tree-compare.ts';

/** Keeps trees as a cache would, and counts what is read. */
class Store {
  readonly objects = new Map<Digest, Uint8Array>();
  reads: Digest[] = [];
  readonly read: ReadObject = (digest) => {
    this.reads.push(digest);
    return this.objects.get(digest)!;
  };

  async put(entries: readonly TreeEntry[]): Promise<Digest> {
    const tree = await encodeTree(entries);
    for (const { digest, bytes } of tree.objects) this.objects.set(digest, bytes);
    return tree.digest;
  }
}

const entry = (path: string, content: string, mode: FileMode = '-'): TreeEntry => ({
  path: path as RepoPath,
  digest: digestOf(content),
  sizeBytes: content.length,
  mode,
});

const sorted = (entries: TreeEntry[]) => entries.sort((a, b) => comparePaths(a.path, b.path));

/** Everything the comparison says, checked against both listings. */
async function check(store: Store, before: TreeEntry[], after: TreeEntry[]): Promise<void> {
  const [a, b] = [await store.put(before), await store.put(after)];
  const { changes, beforeRows, afterRows, same, afterCount } = compareTrees(a, b, store.read);
  expect(changes).toEqual(diffEntries(before, after));
  expect(afterCount).toBe(after.length);
  const rows = new Array<number | undefined>(after.length);
  const wrong: TreeChange[] = [];
  let twice = 0;
  for (const run of same) {
    for (let i = 0; i < run.rows; i++) {
      twice += rows[run.after + i] === undefined ? 0 : 1;
      rows[run.after + i] = run.before + i;
    }
  }
  changes.forEach((change, i) => {
    if (before[beforeRows[i]!]?.path !== change.before?.path) wrong.push(change);
    if (after[afterRows[i]!]?.path !== change.after?.path) wrong.push(change);
    if (afterRows[i]! < 0) return;
    twice += rows[afterRows[i]!] === undefined ? 0 : 1;
    rows[afterRows[i]!] = -1;
  });
  expect({ wrong, twice }).toEqual({ wrong: [], twice: 0 });
  const different = (row: number | undefined, i: number) =>
    row !== -1 && JSON.stringify(before[row!]) !== JSON.stringify(after[i]);
  expect(rows.filter(different)).toEqual([]);
}

const letters = fc.constantFrom('a', 'b', 'ab', '%', '\n', 'é', '-', '0', 'z.png');
const paths = fc.array(letters, { minLength: 1, maxLength: 3 }).map((parts) => `f/${parts.join('')}`);
const listing = fc
  .uniqueArray(fc.record({ path: paths, content: fc.constantFrom('1', '22', '333') }), {
    selector: ({ path }) => path,
    maxLength: 30,
  })
  .map((files) => sorted(files.map(({ path, content }) => entry(path, content))));

test('small listings: what diffEntries finds, and every other row is in both', async () => {
  await fc.assert(fc.asyncProperty(listing, listing, (a, b) => check(new Store(), a, b)));
});

const large = (count: number, edit: (i: number) => string | undefined) =>
  Array.from({ length: count }, (_, i) => ({ i, content: edit(i) }))
    .filter(({ content }) => content !== undefined)
    .map(({ i, content }) => entry(`class-${i % 7}/${String(i).padStart(6, '0')}.png`, content!));

test('large listings with leaves: edits, additions, removals, at the ends too', async () => {
  const count = 20_000;
  const before = sorted(large(count, (i) => `${i}`));
  for (const edit of [
    (i: number) => (i % 50 === 0 ? 'new' : `${i}`),
    (i: number) => (i < 3 || i > count - 3 || i % 1000 === 7 ? undefined : `${i}`),
    (i: number) => (i === 12_345 ? 'new' : `${i}`),
    () => 'all are new',
    () => undefined,
  ]) {
    const after = sorted(large(count, edit));
    await check(new Store(), before, after);
    await check(new Store(), after, before);
  }
});

test('leaves that both have are not read', async () => {
  const store = new Store();
  const a = await store.put(sorted(large(60_000, (i) => `${i}`)));
  const b = await store.put(sorted(large(60_000, (i) => (i === 5 ? 'new' : `${i}`))));
  compareTrees(a, b, store.read);
  const leaves = store.reads.length - 2;
  expect(leaves).toBe(2);
});

test('a new tree that is wrong is refused as reading it is, with the line', async () => {
  const store = new Store();
  const before = await store.put(['a', 'b', 'c', 'd', 'e'].map((name) => entry(name, name)));
  const lines = ['a', 'b', 'c', 'd', 'e'].map((name) => `${digestOf(name).slice(7)} 1 - ${name}\n`);
  const other = (name: string) => `${digestOf('other').slice(7)} 5 - ${name}\n`;
  for (const wrong of [
    ['b', 'a', 'c'],
    [0, 1, 'a', 3],
    [0, 1, 2, '../x'],
    [0, 'b/', 2],
    [0, 1, 2, 3, 'b'],
    ['x', 3, 4],
    [0, 1, 'b/x', 2],
    [0, 1, 2, 3, 4, 'no such line'],
  ]) {
    const text = `dv-tree 1\n${wrong.map((part) => (typeof part === 'number' ? lines[part] : part.includes(' ') ? `${part}\n` : other(part))).join('')}`;
    const bytes = Buffer.from(text);
    const digest = digestOf(bytes);
    store.objects.set(digest, bytes);
    const failure = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        return (error as Error).message;
      }
      return 'none';
    };
    const told = failure(() => compareTrees(before, digest, store.read));
    expect([wrong, told]).toEqual([wrong, failure(() => readTree(digest, store.read))]);
    expect(told).not.toBe('none');
  }
});
