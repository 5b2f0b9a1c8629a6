/**
 * The listing of a tracked folder: sorted (path, digest, size, mode), stored as objects itself. Long listings
 * split into leaves at content-defined places, so that one changed file changes one leaf.
 */
import xxhash from 'xxhash-wasm';
import { DvError } from '../errors.ts';
import { type Digest, digestOf, hexOf } from './digest.ts';
import { PathSequence } from './path-sequence.ts';
import { quote } from './quote.ts';
import { comparePaths, type RepoPath } from './repo-path.ts';
import { encodePath, TreeLines } from './tree-lines.ts';

/** `-` a file, `x` an executable file, `l` a symbolic link (its object holds the target). */
export type FileMode = '-' | 'x' | 'l';

/** One file of a tree. */
export interface TreeEntry {
  /** Relative to the tracked folder. */
  readonly path: RepoPath;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mode: FileMode;
}

/** An object with its name. */
export interface NamedObject {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** A tree as objects: its own (last) and, for long listings, its leaves before it. */
export interface EncodedTree {
  readonly digest: Digest;
  readonly objects: readonly NamedObject[];
  readonly files: number;
  readonly bytes: number;
}

/** One line of an index over leaves. */
export interface LeafRef {
  readonly digest: Digest;
  readonly entries: number;
  readonly bytes: number;
  readonly firstPath: RepoPath;
}

/** Gives the bytes of an object, already checked against its digest. */
export type ReadObject = (digest: Digest) => Uint8Array;

const header = 'dv-tree 1';
const indexHeader = 'dv-tree-index 1';
const modes: readonly FileMode[] = ['-', 'x', 'l'];

/** Listings up to this many entries are one object. */
export const maxSingle = 8192;
const minLeaf = 2048;
const maxLeaf = 32_768;
/** More than this many leaves would be 134 million files: somebody wants our memory. */
const maxLeaves = 65_536;
const splitMask = 0x1fffn;

type Hash64 = (text: string) => bigint;
let hash64: Hash64 | undefined;
/** Loads the function that chooses the split points (xxHash64, seed 0, of the path's UTF-8 bytes). */
async function loadHash(): Promise<Hash64> {
  hash64 ??= (await xxhash()).h64;
  return hash64;
}

const formatEntry = (entry: TreeEntry) =>
  `${hexOf(entry.digest)} ${entry.sizeBytes} ${entry.mode} ${encodePath(entry.path)}\n`;

/** Encodes one object's worth of entries. */
function encodeListing(entries: readonly TreeEntry[]): NamedObject {
  let text = `${header}\n`;
  for (const entry of entries) text += formatEntry(entry);
  const bytes = Buffer.from(text);
  return { digest: digestOf(bytes), bytes };
}

/** Cuts a long listing where the hash of a path says so. */
function splitLeaves(entries: readonly TreeEntry[], hash: Hash64): TreeEntry[][] {
  const leaves: TreeEntry[][] = [];
  let start = 0;
  for (let i = 0; i < entries.length; i++) {
    const length = i + 1 - start;
    if (length === maxLeaf || (length >= minLeaf && (hash(entries[i]!.path) & splitMask) === 0n)) {
      leaves.push(entries.slice(start, i + 1));
      start = i + 1;
    }
  }
  if (start < entries.length) leaves.push(entries.slice(start));
  return leaves;
}

/** Sum of the entries' sizes. */
export function totalBytes(entries: readonly TreeEntry[]): number {
  let sum = 0;
  for (const entry of entries) sum += entry.sizeBytes;
  return sum;
}

/**
 * Encodes a listing.
 * @param entries sorted by path, valid, without duplicates (as a walk or a parsed tree gives them); anything
 * else is a bug of the caller, and an Error rather than an object that nobody can read back.
 */
export async function encodeTree(entries: readonly TreeEntry[]): Promise<EncodedTree> {
  const sequence = new PathSequence();
  for (const entry of entries) {
    const problem = sequence.add(entry.path);
    if (problem !== undefined) throw new Error(`a tree cannot be made of these entries: ${problem}`);
  }
  const bytes = totalBytes(entries);
  if (!Number.isSafeInteger(bytes)) throw new Error(`a tree cannot hold ${bytes} bytes`);
  if (entries.length <= maxSingle) {
    const object = encodeListing(entries);
    return { digest: object.digest, objects: [object], files: entries.length, bytes };
  }
  const objects: NamedObject[] = [];
  let text = `${indexHeader}\n`;
  for (const leaf of splitLeaves(entries, await loadHash())) {
    const object = encodeListing(leaf);
    objects.push(object);
    text += `${hexOf(object.digest)} ${leaf.length} ${totalBytes(leaf)} ${encodePath(leaf[0]!.path)}\n`;
  }
  const index = Buffer.from(text);
  const root = { digest: digestOf(index), bytes: index };
  return { digest: root.digest, objects: [...objects, root], files: entries.length, bytes };
}

/**
 * Parses one `dv-tree 1` object.
 * @param name how to call it in errors.
 * @param paths takes its paths, and knows those of the leaves before it.
 * @throws {DvError} invalid-file, newer-format
 */
export function parseListing(bytes: Uint8Array, name: string, paths = new PathSequence()): TreeEntry[] {
  const lines: TreeLines = new TreeLines(bytes, header, name, paths);
  const entries: TreeEntry[] = [];
  while (lines.next()) {
    const digest = lines.takeDigest();
    const sizeBytes = lines.takeCount();
    const mode = lines.takeLetter(modes);
    entries.push({ path: lines.takePath(), digest, sizeBytes, mode });
  }
  return entries;
}

const isIndex = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(0, 14).toString('latin1') ===
  'dv-tree-index ';

/**
 * Parses a `dv-tree-index 1` object, or gives undefined when the object is a plain listing.
 * @throws {DvError} invalid-file, newer-format
 */
export function parseIndex(bytes: Uint8Array, name: string): LeafRef[] | undefined {
  if (!isIndex(bytes)) return undefined;
  const lines: TreeLines = new TreeLines(bytes, indexHeader, name);
  const leaves: LeafRef[] = [];
  let total = 0;
  while (lines.next()) {
    const previous = leaves.at(-1);
    if (previous !== undefined && previous.entries < minLeaf) {
      lines.fail(`expected at least ${minLeaf} entries in every leaf but the last`);
    }
    const digest = lines.takeDigest();
    const entries = lines.takeCount();
    if (entries < 1 || entries > maxLeaf)
      lines.fail(`expected a leaf of 1 to ${maxLeaf} entries, not ${entries}`);
    const sizeBytes = lines.takeCount();
    total += entries;
    if (leaves.length === maxLeaves) lines.fail(`expected at most ${maxLeaves} leaves`);
    leaves.push({ digest, entries, bytes: sizeBytes, firstPath: lines.takePath() });
  }
  if (total <= maxSingle) lines.fail(`expected more than ${maxSingle} entries in an index, not ${total}`);
  return leaves;
}

/**
 * Reads one leaf and checks it against what the index says of it.
 * @throws {DvError} invalid-file, newer-format, and what `read` throws.
 */
export function readLeaf(ref: LeafRef, read: ReadObject): TreeEntry[] {
  return readNextLeaf(ref, read, new PathSequence());
}

/** Like `readLeaf`, where `paths` knows the paths of the leaves before it. */
function readNextLeaf(ref: LeafRef, read: ReadObject, paths: PathSequence): TreeEntry[] {
  const name = `tree ${ref.digest}`;
  const entries = parseListing(read(ref.digest), name, paths);
  const expect = (what: string, expected: string | number, found: string | number | undefined) => {
    if (found !== expected) {
      failTree(name, `its index says this leaf's ${what} is ${expected}, found ${found ?? 'none'}`);
    }
  };
  expect('number of entries', ref.entries, entries.length);
  expect('first path', quote(ref.firstPath), entries[0] && quote(entries[0].path));
  expect('sum of sizes', ref.bytes, totalBytes(entries));
  return entries;
}

function failTree(file: string, message: string): never {
  throw new DvError('invalid-file', { problems: [{ file, message }] });
}

/**
 * Reads a whole tree.
 * @param read gives an object's bytes; throws object-missing or object-damaged.
 * @throws {DvError} invalid-file, newer-format, and what `read` throws.
 */
export function readTree(digest: Digest, read: ReadObject): TreeEntry[] {
  const bytes = read(digest);
  const name = `tree ${digest}`;
  const leaves = parseIndex(bytes, name);
  const paths = new PathSequence();
  if (leaves === undefined) {
    const entries = parseListing(bytes, name, paths);
    if (entries.length > maxSingle) {
      failTree(
        name,
        `expected at most ${maxSingle} entries in a tree without leaves, found ${entries.length}`,
      );
    }
    return checkSum(entries, name);
  }
  const entries: TreeEntry[] = [];
  for (const ref of leaves) {
    for (const entry of readNextLeaf(ref, read, paths)) entries.push(entry);
  }
  return checkSum(entries, name);
}

/** The sum of the sizes stands in pointers and indexes, so it must be a number they can hold. */
function checkSum(entries: TreeEntry[], name: string): TreeEntry[] {
  if (!Number.isSafeInteger(totalBytes(entries))) {
    failTree(name, `expected sizes that add up to at most ${Number.MAX_SAFE_INTEGER}`);
  }
  return entries;
}

/** The digests of a tree's own objects: itself and its leaves. */
export function treeObjects(digest: Digest, read: ReadObject): Digest[] {
  const leaves = parseIndex(read(digest), `tree ${digest}`);
  return [digest, ...(leaves ?? []).map((leaf) => leaf.digest)];
}

/** How one path differs between two trees; `before` is absent when added, `after` when deleted. */
export interface TreeChange {
  readonly path: RepoPath;
  readonly before?: TreeEntry;
  readonly after?: TreeEntry;
}

/** Whether two entries stand for the same content and mode. */
export function sameEntry(a: TreeEntry, b: TreeEntry): boolean {
  return a.digest === b.digest && a.mode === b.mode;
}

/**
 * Goes through two sorted listings side by side, once per path.
 * @param visit gets the entry of each listing, or undefined where it lacks the path, and their positions: where an entry
 * is missing, that of the next one.
 */
export function forEachPair(
  before: readonly TreeEntry[],
  after: readonly TreeEntry[],
  visit: (a: TreeEntry | undefined, b: TreeEntry | undefined, i: number, j: number) => void,
): void {
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const a = before[i];
    const b = after[j];
    const order =
      a === undefined ? 1 : b === undefined ? -1 : a.path === b.path ? 0 : comparePaths(a.path, b.path);
    visit(order <= 0 ? a : undefined, order >= 0 ? b : undefined, i, j);
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
}

/** One pair of entries as a change. */
export function asChange(before: TreeEntry | undefined, after: TreeEntry | undefined): TreeChange {
  if (before === undefined) return { path: after!.path, after: after! };
  return after === undefined ? { path: before.path, before } : { path: before.path, before, after };
}

/** Compares two sorted listings. */
export function diffEntries(before: readonly TreeEntry[], after: readonly TreeEntry[]): TreeChange[] {
  const changes: TreeChange[] = [];
  forEachPair(before, after, (a, b) => {
    if (a === undefined || b === undefined || !sameEntry(a, b)) changes.push(asChange(a, b));
  });
  return changes;
}

/**
 * Compares two trees, reading only the leaves whose digests differ.
 * @param before or `after` undefined stands for the empty tree.
 */
export function diffTrees(
  before: Digest | undefined,
  after: Digest | undefined,
  read: ReadObject,
): TreeChange[] {
  if (before === after) return [];
  const leavesOf = (digest: Digest | undefined): LeafRef[] | undefined =>
    digest === undefined ? undefined : parseIndex(read(digest), `tree ${digest}`);
  const a = leavesOf(before);
  const b = leavesOf(after);
  if (a === undefined || b === undefined) {
    return diffEntries(before ? readTree(before, read) : [], after ? readTree(after, read) : []);
  }
  const inA = new Set(a.map((leaf) => leaf.digest));
  const inB = new Set(b.map((leaf) => leaf.digest));
  return diffEntries(readOnly(a, inB, read), readOnly(b, inA, read));
}

/** The entries of those leaves that the other tree has not, checked to lie where the index has them. */
function readOnly(leaves: readonly LeafRef[], other: ReadonlySet<Digest>, read: ReadObject): TreeEntry[] {
  const entries: TreeEntry[] = [];
  const paths = new PathSequence();
  for (const [i, ref] of leaves.entries()) {
    if (other.has(ref.digest)) continue;
    const leaf = readNextLeaf(ref, read, paths);
    const next = leaves[i + 1];
    if (next !== undefined && comparePaths(leaf.at(-1)!.path, next.firstPath) >= 0) {
      failTree(
        `tree ${ref.digest}`,
        `its last path does not come before the next leaf's, ${quote(next.firstPath)}`,
      );
    }
    for (const entry of leaf) entries.push(entry);
  }
  return entries;
}
