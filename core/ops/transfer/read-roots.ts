/** What the roots on a remote say of where objects are. A root that is missing or damaged only costs requests. */
import { isDvError } from '../../errors.ts';
import type { Report } from '../../events.ts';
import type { Digest } from '../../model/digest.ts';
import { type Place, placeAt } from '../../model/place.ts';
import { parseSnapshotRoot, parseTreeRoot, type TreeRoot } from '../../model/root.ts';
import type { DataRef, Snapshot } from '../../model/snapshot.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote } from '../../store/remote.ts';
import { rootKey } from '../../store/remote-layout.ts';

/** How many roots are asked for at once. */
const asksAtOnce = 16;

/** How to read roots. */
export interface RootReading {
  readonly remote: Remote;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** Roots of trees, as far as they are there and whole. */
export async function readTreeRoots(
  trees: readonly DataRef[],
  reading: RootReading,
): Promise<Map<Digest, TreeRoot>> {
  const roots = new Map<Digest, TreeRoot>();
  await inParallel(trees, asksAtOnce, async ({ pointer: { digest } }) => {
    const root = await readRoot(digest, reading, (bytes, name) => parseTreeRoot(bytes, digest, name));
    if (root !== undefined) roots.set(digest, root);
  });
  return roots;
}

/** Where the roots of snapshots say single files are. */
export async function readFilePlaces(
  snapshots: readonly Snapshot[],
  files: readonly DataRef[],
  reading: RootReading,
): Promise<Map<Digest, Place>> {
  const places = new Map<Digest, Place>();
  const wanted = new Set(files.map((ref) => ref.pointer.digest));
  const useful = snapshots.filter((snapshot) =>
    snapshot.refs.some((ref) => ref.pointer.kind === 'file' && wanted.has(ref.pointer.digest)),
  );
  await inParallel(useful, asksAtOnce, async ({ digest }) => {
    const root = await readRoot(digest, reading, (bytes, name) => parseSnapshotRoot(bytes, digest, name));
    root?.snapshot.refs
      .filter((ref) => ref.pointer.kind === 'file')
      .forEach((ref, i) => {
        places.set(ref.pointer.digest, placeAt(root.places, i));
      });
  });
  return places;
}

async function readRoot<Root>(
  digest: Digest,
  { remote, report, signal }: RootReading,
  parse: (bytes: Uint8Array, name: string) => Root,
): Promise<Root | undefined> {
  const key = rootKey(digest);
  const bytes = await remote.get(key, { signal });
  if (bytes === undefined) return undefined;
  try {
    return parse(bytes, key);
  } catch (error) {
    if (!isDvError(error, 'invalid-file')) throw error;
    const problem = error.details.problems[0]?.message;
    report({ type: 'warning', message: `${remote.url}/${key} is damaged and was not used: ${problem}` });
    return undefined;
  }
}
