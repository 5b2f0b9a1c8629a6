/** What a remote holds, as garbage collection looks at it: roots, packs, blobs, idx files, run cache entries. */
import { isDvError } from '../../errors.ts';
import type { Report } from '../../events.ts';
import { type Digest, digestFromHex, hexOf } from '../../model/digest.ts';
import { noPack, type PlaceColumns } from '../../model/place.ts';
import { parseSnapshotRoot, parseTreeRoot } from '../../model/root.ts';
import { parseRun } from '../../pipeline/run-cache.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote, RemoteEntry } from '../../store/remote.ts';
import { nameIn, rootKey, rootPrefix, runPrefix } from '../../store/remote-layout.ts';
import type { NeededData } from './needed.ts';

const asksAtOnce = 16;

/** A root and what it says. */
export interface FoundRoot {
  /** 64 hex digits. */
  readonly name: string;
  readonly entry: RemoteEntry;
  /** The data it is about: itself for a tree, all that is listed for a snapshot. None of a damaged one. */
  readonly data: readonly NeededData[];
  /** Names of the packs it names. */
  readonly packs: readonly string[];
  /** Whether it names blobs. */
  readonly hasBlobs: boolean;
}

/** The entries below a prefix by the name in their keys. */
export async function listNamed(
  remote: Remote,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, RemoteEntry>> {
  const found = new Map<string, RemoteEntry>();
  for await (const entry of remote.list(prefix, { signal })) {
    const name = nameIn(entry.key);
    if (name !== undefined) found.set(name, entry);
  }
  return found;
}

/**
 * Reads all roots, but those known already that are as they were.
 * @param known roots by key and version, from an earlier look.
 */
export async function readRoots(
  remote: Remote,
  known: ReadonlyMap<string, FoundRoot>,
  options: { report: Report; signal: AbortSignal | undefined },
): Promise<FoundRoot[]> {
  const listed = await listNamed(remote, rootPrefix, options.signal);
  const found = await inParallel(listed, asksAtOnce, async ([name, entry]) => {
    const before = known.get(name);
    if (before?.entry.version === entry.version) return [before];
    const bytes = await remote.get(entry.key, { signal: options.signal });
    return bytes === undefined ? [] : [parseRoot(bytes, name, entry, remote.url, options.report)];
  });
  return found.flat();
}

/** Reads the roots of some trees and snapshots, as far as they are there. */
export async function readRootsOf(
  remote: Remote,
  digests: readonly Digest[],
  { report, signal }: { report: Report; signal: AbortSignal | undefined },
): Promise<FoundRoot[]> {
  const found = await inParallel(digests, asksAtOnce, async (digest): Promise<FoundRoot[]> => {
    const key = rootKey(digest);
    const bytes = await remote.get(key, { signal });
    const entry = { key, sizeBytes: bytes?.length ?? 0, version: '' };
    return bytes === undefined ? [] : [parseRoot(bytes, hexOf(digest), entry, remote.url, report)];
  });
  return found.flat();
}

/** Reads a root of either kind. A damaged one says nothing, and a push or repair writes it again. */
function parseRoot(
  bytes: Uint8Array,
  name: string,
  entry: RemoteEntry,
  url: string,
  report: Report,
): FoundRoot {
  const digest = digestFromHex(name)!;
  const packsOf = (places: PlaceColumns) => ({
    packs: places.packs,
    hasBlobs: places.pack.includes(noPack),
  });
  try {
    if (Buffer.from(bytes.subarray(0, 8)).toString('latin1') === 'dv-tree1') {
      const { places } = parseTreeRoot(bytes, digest, entry.key);
      return { name, entry, data: [{ kind: 'tree', digest, name: `roots/${name}` }], ...packsOf(places) };
    }
    const { snapshot, places } = parseSnapshotRoot(bytes, digest, entry.key);
    const data = snapshot.refs.map(({ path, pointer }) => ({
      ...{ kind: pointer.kind, digest: pointer.digest },
      name: path,
    }));
    return { name, entry, data, ...packsOf(places) };
  } catch (error) {
    if (!isDvError(error, 'invalid-file')) throw error;
    report({
      type: 'warning',
      message: `${url}/${entry.key} is damaged: ${error.details.problems[0]?.message}`,
      hint: 'dv verify --remote --repair',
    });
    return { name, entry, data: [], packs: [], hasBlobs: false };
  }
}

/** What run cache entries stand for. @param known keys read before. */
export async function readRuns(
  remote: Remote,
  known: Set<string>,
  signal: AbortSignal | undefined,
): Promise<NeededData[]> {
  const keys: string[] = [];
  for await (const { key } of remote.list(runPrefix, { signal })) if (!known.has(key)) keys.push(key);
  const data = await inParallel(keys, asksAtOnce, async (key): Promise<NeededData[]> => {
    const bytes = await remote.get(key, { signal });
    const record = bytes === undefined ? undefined : parseRun(Buffer.from(bytes).toString());
    known.add(key);
    return [...(record?.outs ?? []), ...(record?.metrics ?? [])].map(([path, { kind, digest }]) => ({
      ...{ kind, digest },
      name: `${record!.stage}: ${path}`,
    }));
  });
  return data.flat();
}
