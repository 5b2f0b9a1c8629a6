/** Walking data down to its objects, past listings that cannot be read. */
import { isDvError, systemCode } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import { type LeafRef, parseIndex, readLeaf, readTree, type TreeEntry } from '../../model/tree.ts';
import { readObject } from '../../store/cache.ts';
import type { Repo } from '../../store/repo.ts';
import type { ChosenData } from '../choose-data.ts';
import type { DataPath } from '../workspace-data.ts';

/** What is wrong with an object. */
export interface Fault {
  readonly problem: 'damaged' | 'missing' | 'unreadable';
  readonly reason?: string;
}

/** What was looked at, and what was found. */
export interface Found {
  readonly faults: Map<Digest, Fault>;
  readonly seen: Set<Digest>;
  objects: number;
  bytes: number;
}

/** Why an object could not be read. @throws what is no fault of the object */
export function faultOf(error: unknown): Fault {
  if (isDvError(error, 'object-missing')) return { problem: 'missing' };
  if (isDvError(error, 'object-damaged')) return { problem: 'damaged' };
  if (isDvError(error, 'newer-format') || systemCode(error) === undefined) throw error;
  return { problem: 'unreadable', reason: (error as Error).message };
}

/** The entries of each part of a tree: one for a short listing, one per leaf of a long one. Bad parts are told. */
function* partsOf(
  tree: Digest,
  read: (digest: Digest) => Uint8Array | undefined,
): Generator<readonly TreeEntry[]> {
  const bytes = read(tree);
  if (bytes === undefined) return;
  const leaves = parseIndex(bytes, `tree ${tree}`);
  if (leaves === undefined) yield readTree(tree, () => bytes);
  for (const leaf of leaves ?? []) {
    const entries = readPart(leaf, read(leaf.digest));
    if (entries !== undefined) yield entries;
  }
}

const readPart = (leaf: LeafRef, bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : readLeaf(leaf, () => bytes);

/**
 * Reads the listings of some data, and names the files in them that were not looked at yet.
 * @throws {DvError} invalid-file of a listing that is whole but no listing
 */
export function walkData(
  repo: Repo,
  data: readonly ChosenData[],
  found: Found,
  visitFile: (digest: Digest, sizeBytes: number) => void,
): void {
  const visit = (digest: Digest, sizeBytes: number) => {
    if (!found.seen.has(digest)) visitFile(digest, sizeBytes);
  };
  const read = (digest: Digest) => {
    try {
      const bytes = readObject(repo, digest);
      if (!found.seen.has(digest)) {
        found.seen.add(digest);
        found.objects++;
        found.bytes += bytes.length;
      }
      return bytes;
    } catch (error) {
      found.faults.set(digest, faultOf(error));
      return undefined;
    }
  };
  for (const { path, pointer, part } of data) {
    if (pointer.kind === 'file') visit(pointer.digest, pointer.bytes);
    else {
      for (const entries of partsOf(pointer.digest, read)) {
        for (const entry of entries) {
          if (part?.(`${path}/${entry.path}`) ?? true) visit(entry.digest, entry.sizeBytes);
        }
      }
    }
  }
}

/** The paths of the workspace's data that use some objects; a listing is used by the folder it belongs to. */
export function pathsUsing(
  repo: Repo,
  data: readonly DataPath[],
  digests: ReadonlySet<Digest>,
): Map<Digest, string[]> {
  const paths = new Map<Digest, string[]>();
  if (digests.size === 0) return paths;
  const use = (digest: Digest, path: string) => {
    if (!digests.has(digest)) return;
    const known = paths.get(digest);
    if (known === undefined) paths.set(digest, [path]);
    else if (known.at(-1) !== path) known.push(path);
  };
  for (const { path, pointer } of data) {
    use(pointer.digest, path);
    if (pointer.kind === 'file') continue;
    const read = (digest: Digest) => {
      use(digest, path);
      try {
        return readObject(repo, digest);
      } catch (error) {
        faultOf(error);
        return undefined;
      }
    };
    for (const entries of partsOf(pointer.digest, read)) {
      for (const entry of entries) use(entry.digest, `${path}/${entry.path}`);
    }
  }
  return paths;
}
