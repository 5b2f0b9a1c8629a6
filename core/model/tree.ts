/**
 * The listing of a tracked folder: sorted (path, digest, size, mode), stored as objects itself. Long listings
 * split into leaves at content-defined places, so that one changed file changes one leaf.
 */
import xxhash from 'xxhash-wasm';
import { DvError } from '../errors.ts';
import { type Digest, digestFromHex, digestOf, hexOf } from './digest.ts';
import { comparePaths, pathProblem, type RepoPath } from './repo-path.ts';

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

const header = 'dv-tree 1\n';
const indexHeader = 'dv-tree-index 1\n';

/** Listings up to this many entries are one object. */
export const maxSingle = 8192;
const minLeaf = 2048;
const maxLeaf = 32_768;
const splitMask = 0x1fffn;

type Hash64 = (text: string) => bigint;
let hash64: Hash64 | undefined;
/** Loads the function that chooses the split points (xxHash64, seed 0, of the path's UTF-8 bytes). */
async function loadHash(): Promise<Hash64> {
  hash64 ??= (await xxhash()).h64;
  return hash64;
}

const escapes: Record<string, string> = { '%': '%25', '\n': '%0A', '\r': '%0D' };
const encodePath = (path: string) =>
  /[%\n\r]/.test(path) ? path.replace(/[%\n\r]/g, (character) => escapes[character]!) : path;

function decodePath(text: string): string | undefined {
  if (!text.includes('%')) return text;
  if (/%(?!25|0A|0D)/.test(text)) return undefined;
  return text.replace(/%(25|0A|0D)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

const formatEntry = (entry: TreeEntry) =>
  `${hexOf(entry.digest)} ${entry.sizeBytes} ${entry.mode} ${encodePath(entry.path)}\n`;

/** Encodes one object's worth of entries. */
function encodeListing(entries: readonly TreeEntry[]): NamedObject {
  let text = header;
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
 * @param entries sorted by path, valid, without duplicates (as a walk or a parsed tree gives them).
 */
export async function encodeTree(entries: readonly TreeEntry[]): Promise<EncodedTree> {
  const bytes = totalBytes(entries);
  if (entries.length <= maxSingle) {
    const object = encodeListing(entries);
    return { digest: object.digest, objects: [object], files: entries.length, bytes };
  }
  const objects: NamedObject[] = [];
  let text = indexHeader;
  for (const leaf of splitLeaves(entries, await loadHash())) {
    const object = encodeListing(leaf);
    objects.push(object);
    text += `${hexOf(object.digest)} ${leaf.length} ${totalBytes(leaf)} ${encodePath(leaf[0]!.path)}\n`;
  }
  const index = Buffer.from(text);
  const root = { digest: digestOf(index), bytes: index };
  return { digest: root.digest, objects: [...objects, root], files: entries.length, bytes };
}

/** The lines behind the header of an object, with a way to fail that names the line. */
class Lines {
  readonly #text: string;
  readonly #name: string;
  #position: number;
  #line = 1;

  constructor(bytes: Uint8Array, expectedHeader: string, name: string) {
    this.#name = name;
    try {
      this.#text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      this.#text = '';
      this.fail('expected UTF-8 text');
    }
    if (!this.#text.startsWith(expectedHeader)) {
      const version = /^dv-tree(?:-index)? ([0-9]+)\n/.exec(this.#text)?.[1];
      if (version !== undefined && version !== '1')
        throw new DvError('newer-format', { what: name, version });
      this.fail(`expected \`${expectedHeader.trim()}\``);
    }
    this.#position = expectedHeader.length;
    if (!this.#text.endsWith('\n')) this.fail('expected a newline at the end');
  }

  fail(message: string): never {
    throw new DvError('invalid-file', { problems: [{ file: this.#name, line: this.#line, message }] });
  }

  /** The next line's three first fields and the path behind them, or undefined at the end. */
  next(): { hex: string; number: string; third: string; path: string } | undefined {
    const text = this.#text;
    const start = this.#position;
    if (start >= text.length) return undefined;
    this.#line++;
    const end = text.indexOf('\n', start);
    const first = text.indexOf(' ', start);
    const second = text.indexOf(' ', first + 1);
    const third = text.indexOf(' ', second + 1);
    if (first !== start + 64 || second === -1 || third === -1 || third > end) {
      this.fail('expected `<64 hex> <number> <field> <path>`');
    }
    this.#position = end + 1;
    return {
      hex: text.slice(start, first),
      number: text.slice(first + 1, second),
      third: text.slice(second + 1, third),
      path: text.slice(third + 1, end),
    };
  }

  digest(hex: string): Digest {
    return digestFromHex(hex) ?? this.fail(`expected 64 hex digits, found ${JSON.stringify(hex)}`);
  }

  count(text: string): number {
    const value = Number(text);
    if (!/^(0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(value)) {
      this.fail(`expected a whole number, found ${JSON.stringify(text)}`);
    }
    return value;
  }

  path(text: string): RepoPath {
    const path = decodePath(text);
    if (path === undefined) this.fail('expected only %25, %0A and %0D as escapes in the path');
    const problem = pathProblem(path);
    if (problem !== undefined) this.fail(`the path ${JSON.stringify(path)} is not allowed: ${problem}`);
    return path as RepoPath;
  }
}

/** Fails when a file's name is also the name of a folder, which no disk can hold. */
function checkFolders(entries: readonly TreeEntry[], name: string): void {
  const files = new Set<string>(entries.map((entry) => entry.path));
  let lastFolder = '';
  for (const entry of entries) {
    const slash = entry.path.lastIndexOf('/');
    if (slash === -1) continue;
    let folder = entry.path.slice(0, slash);
    if (folder === lastFolder) continue;
    lastFolder = folder;
    for (;;) {
      if (files.has(folder)) {
        throw new DvError('invalid-file', {
          problems: [
            { file: name, message: `${JSON.stringify(folder)} is listed as a file and as a folder` },
          ],
        });
      }
      const up = folder.lastIndexOf('/');
      if (up === -1) break;
      folder = folder.slice(0, up);
    }
  }
}

/** Parses one `dv-tree 1` object. */
function parseListing(bytes: Uint8Array, name: string): TreeEntry[] {
  const lines: Lines = new Lines(bytes, header, name);
  const entries: TreeEntry[] = [];
  let previous = '';
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    const path = lines.path(line.path);
    if (entries.length > 0 && comparePaths(previous, path) >= 0) {
      lines.fail(`the path ${JSON.stringify(path)} is a duplicate or out of order`);
    }
    previous = path;
    const mode = line.third;
    if (mode !== '-' && mode !== 'x' && mode !== 'l')
      lines.fail(`expected mode -, x or l, found ${JSON.stringify(mode)}`);
    entries.push({ path, digest: lines.digest(line.hex), sizeBytes: lines.count(line.number), mode });
  }
  return entries;
}

const isIndex = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, 14).toString('latin1') === 'dv-tree-index ';

/** Parses a `dv-tree-index 1` object, or gives undefined when the object is a plain listing. */
export function parseIndex(bytes: Uint8Array, name: string): LeafRef[] | undefined {
  if (bytes.length < 14 || !isIndex(bytes)) return undefined;
  const lines: Lines = new Lines(bytes, indexHeader, name);
  const leaves: LeafRef[] = [];
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    const firstPath = lines.path(line.path);
    const previous = leaves.at(-1);
    if (previous !== undefined && comparePaths(previous.firstPath, firstPath) >= 0) {
      lines.fail(`the path ${JSON.stringify(firstPath)} is a duplicate or out of order`);
    }
    leaves.push({
      digest: lines.digest(line.hex),
      entries: lines.count(line.number),
      bytes: lines.count(line.third),
      firstPath,
    });
  }
  if (leaves.reduce((sum, leaf) => sum + leaf.entries, 0) <= maxSingle) {
    lines.fail(`expected more than ${maxSingle} entries in an index`);
  }
  return leaves;
}

/** Reads one leaf and checks it against what the index says of it. */
export function readLeaf(ref: LeafRef, read: ReadObject): TreeEntry[] {
  const entries = parseListing(read(ref.digest), `tree ${ref.digest}`);
  if (
    entries.length !== ref.entries ||
    entries[0]?.path !== ref.firstPath ||
    totalBytes(entries) !== ref.bytes
  ) {
    throw new DvError('invalid-file', {
      problems: [{ file: `tree ${ref.digest}`, message: 'this leaf is not what its index says it is' }],
    });
  }
  return entries;
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
  if (leaves === undefined) {
    const entries = parseListing(bytes, name);
    checkFolders(entries, name);
    return entries;
  }
  const entries: TreeEntry[] = [];
  for (const ref of leaves) {
    const leaf = readLeaf(ref, read);
    const last = entries.at(-1);
    if (last !== undefined && comparePaths(last.path, leaf[0]!.path) >= 0) {
      throw new DvError('invalid-file', { problems: [{ file: name, message: 'its leaves overlap' }] });
    }
    for (const entry of leaf) entries.push(entry);
  }
  checkFolders(entries, name);
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

/** Compares two sorted listings. */
export function diffEntries(before: readonly TreeEntry[], after: readonly TreeEntry[]): TreeChange[] {
  const changes: TreeChange[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const a = before[i];
    const b = after[j];
    const order = a === undefined ? 1 : b === undefined ? -1 : comparePaths(a.path, b.path);
    if (order < 0) {
      changes.push({ path: a!.path, before: a! });
      i++;
    } else if (order > 0) {
      changes.push({ path: b!.path, after: b! });
      j++;
    } else {
      if (!sameEntry(a!, b!)) changes.push({ path: a!.path, before: a!, after: b! });
      i++;
      j++;
    }
  }
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
  const only = (leaves: LeafRef[], other: Set<Digest>) =>
    leaves.filter((leaf) => !other.has(leaf.digest)).flatMap((leaf) => readLeaf(leaf, read));
  return diffEntries(only(a, inB), only(b, inA));
}
