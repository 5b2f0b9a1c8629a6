/**
 * The stat index of a tracked path: what its files looked like (size, times, inode) when dv last wrote or read
 * them, so that files that still look the same need not be read again. Binary, in tree order, one file per
 * tracked path and worktree; anything wrong with it and it is not used. Format: docs/format.md.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import xxhash, { type XXHash } from 'xxhash-wasm';
import { systemCode } from '../errors.ts';
import { type Digest, digestFromHex, hexOf } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { writeFileAtomic } from './atomic.ts';
import { listFolder } from './list-folder.ts';
import type { Repo } from './repo.ts';
import { statMissing, statWidth } from './stat-files.ts';

/** What a path's files looked like. */
export interface StatIndex {
  /** The tracked path. */
  readonly path: RepoPath;
  /** The tree (or file) the columns belong to: row i is its i-th entry. */
  readonly kind: Pointer['kind'];
  readonly digest: Digest;
  /** Whether dv put the files there or recorded them, so that it may remove them again; else it only looked. */
  readonly placed: boolean;
  /** Hash of the entries' paths (`hashPaths`), or `unknownPaths`: whether a folder holds the same names is known without the listing. */
  readonly pathsHash: bigint;
  /**
   * The cache's stamp (`cacheStamp`) when it was seen to hold every file of the listing, or `unknownStamp`. While the cache
   * has that stamp, nobody need look for each object again.
   */
  readonly cacheStamp: bigint;
  /** `statWidth` numbers per entry; size `statMissing` marks one that must be read to be known. */
  readonly columns: Float64Array;
  /** Rows whose mtime is this young or younger may have changed unseen: git's racy rule. Milliseconds since 1970. */
  readonly trustedBeforeMs: number;
}

/** In place of the hash of paths that nobody had to list. The next look does, and notes it. */
export const unknownPaths = 0n;
/** In place of a cache's stamp: what it holds was not looked for. */
export const unknownStamp = 0n;

const magic = 'dvindex2';
const headerBytes = 72;
/** Clock steps of common file systems (ext4: one tick of the kernel, 1-10 ms). */
const timestampStepMs = 20;

const indexName = (path: string) => createHash('sha256').update(path).digest('hex').slice(0, 40);
const indexFile = (repo: Pick<Repo, 'indexDir'>, path: string) => join(repo.indexDir, indexName(path));

type Hash64 = (bytes: Uint8Array) => bigint;
let hash64: Hash64 | undefined;
let startHash: (() => XXHash<bigint>) | undefined;
const loadHash = async () => {
  if (hash64 === undefined) ({ h64Raw: hash64, create64: startHash } = await xxhash());
  return hash64;
};

/**
 * Names a list of paths: xxHash64, seed 0, of their UTF-8 with a NUL between each two.
 * @param parts the list, already joined by NUL, cut anywhere between two paths; no part is empty.
 */
export async function hashPaths(parts: Iterable<string>): Promise<bigint> {
  await loadHash();
  const hash = startHash!();
  let first = true;
  for (const part of parts) {
    if (!first) hash.update('\0');
    hash.update(Buffer.from(part));
    first = false;
  }
  return hash.digest();
}

/** Reads an index file, or gives undefined when it is absent, torn or foreign. */
function parseIndexFile(bytes: Buffer, mtimeMs: number, hash: Hash64): StatIndex | undefined {
  if (bytes.length < headerBytes + 8 || bytes.toString('latin1', 0, 8) !== magic) return undefined;
  const body = bytes.subarray(0, -8);
  if (hash(body) !== bytes.readBigUInt64LE(bytes.length - 8)) return undefined;
  const flags = bytes.readUInt32LE(8);
  const rows = bytes.readUInt32LE(12);
  const pathBytes = bytes.readUInt32LE(16);
  const columnsAt = headerBytes + Math.ceil(pathBytes / 8) * 8;
  if (body.length !== columnsAt + rows * statWidth * 8) return undefined;
  const digest = digestFromHex(bytes.toString('hex', 24, 56));
  if (digest === undefined) return undefined;
  // A copy, as the column must start at a multiple of 8 in its buffer.
  const columns = new Float64Array(rows * statWidth);
  Buffer.from(columns.buffer).set(bytes.subarray(columnsAt, columnsAt + columns.byteLength));
  return {
    path: bytes.toString('utf8', headerBytes, headerBytes + pathBytes) as RepoPath,
    kind: flags & 1 ? 'tree' : 'file',
    placed: (flags & 2) !== 0,
    digest,
    pathsHash: bytes.readBigUInt64LE(56),
    cacheStamp: bytes.readBigUInt64LE(64),
    columns,
    trustedBeforeMs: mtimeMs - timestampStepMs,
  };
}

function readIndexFile(file: string, hash: Hash64): StatIndex | undefined {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    return parseIndexFile(readFileSync(handle), fstatSync(handle).mtimeMs, hash);
  } finally {
    closeSync(handle);
  }
}

/** Loads the index of a tracked path. */
export async function loadStatIndex(repo: Repo, path: RepoPath): Promise<StatIndex | undefined> {
  const index = readIndexFile(indexFile(repo, path), await loadHash());
  return index?.path === path ? index : undefined;
}

/** Saves an index. A lost or torn one is rebuilt, so it is not flushed. */
export async function saveStatIndex(repo: Repo, index: Omit<StatIndex, 'trustedBeforeMs'>): Promise<void> {
  const hash = await loadHash();
  const path = Buffer.from(index.path);
  const columnsAt = headerBytes + Math.ceil(path.length / 8) * 8;
  const bytes = Buffer.alloc(columnsAt + index.columns.byteLength + 8);
  bytes.write(magic, 'latin1');
  bytes.writeUInt32LE((index.kind === 'tree' ? 1 : 0) | (index.placed ? 2 : 0), 8);
  bytes.writeUInt32LE(index.columns.length / statWidth, 12);
  bytes.writeUInt32LE(path.length, 16);
  bytes.write(hexOf(index.digest), 24, 'hex');
  bytes.writeBigUInt64LE(index.pathsHash, 56);
  bytes.writeBigUInt64LE(index.cacheStamp, 64);
  path.copy(bytes, headerBytes);
  Buffer.from(index.columns.buffer, index.columns.byteOffset, index.columns.byteLength).copy(
    bytes,
    columnsAt,
  );
  bytes.writeBigUInt64LE(hash(bytes.subarray(0, -8)), bytes.length - 8);
  writeFileAtomic(indexFile(repo, index.path), bytes, { durable: false });
}

/** Forgets a path. */
export function removeStatIndex(repo: Repo, path: RepoPath): void {
  rmSync(indexFile(repo, path), { force: true });
}

/** All index files of a worktree; `index` is undefined for one that is torn or none. @returns absolute paths */
export async function listStatIndexes(
  repo: Pick<Repo, 'indexDir'>,
): Promise<{ file: string; index: StatIndex | undefined }[]> {
  const hash = await loadHash();
  return listFolder(repo.indexDir).map((name) => {
    const file = join(repo.indexDir, name);
    return { file, index: readIndexFile(file, hash) };
  });
}

/** The indexes of placed paths other than these: data dv put here that nothing stands for any more. */
export async function listOtherPlaced(repo: Repo, paths: Iterable<string>): Promise<StatIndex[]> {
  const known = new Set<string>();
  for (const path of paths) known.add(indexName(path));
  const names = listFolder(repo.indexDir);
  if (names.length === 0) return [];
  const hash = await loadHash();
  const others: StatIndex[] = [];
  for (const name of names) {
    if (known.has(name) || name.startsWith('.')) continue;
    const index = readIndexFile(join(repo.indexDir, name), hash);
    if (index?.placed) others.push(index);
  }
  return others;
}

/** Whether row `i` was old enough when the index was written that a later change of its file must show. */
export function isTrusted(index: StatIndex, i: number): boolean {
  const at = i * statWidth;
  return index.columns[at + 1]! < index.trustedBeforeMs && index.columns[at + 2]! < index.trustedBeforeMs;
}

/** Whether row `i` of an index still describes a file that looks like row `j` of `now`. */
export function looksUnchanged(index: StatIndex, i: number, now: Float64Array, j: number): boolean {
  const a = i * statWidth;
  const b = j * statWidth;
  const { columns } = index;
  return (
    columns[a] !== statMissing &&
    columns[a] === now[b] &&
    columns[a + 1] === now[b + 1] &&
    columns[a + 2] === now[b + 2] &&
    columns[a + 3] === now[b + 3] &&
    columns[a + 4] === now[b + 4] &&
    isTrusted(index, i)
  );
}
