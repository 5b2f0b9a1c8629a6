/**
 * Says on a remote what a push has sent: in an idx of its own, or, when there are many, in one that replaces them.
 * Why nothing is ever missing to a reader, whoever else merges or collects garbage: docs/remote-format.md.
 */
import { type Blob, formatIdx, type Idx, idxNameOf, type PackListing, parseIdx } from '../../model/idx.ts';
import { mergeIdx } from '../../model/merge-idx.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote } from '../../store/remote.ts';
import { idxKey } from '../../store/remote-layout.ts';
import type { RemoteState } from '../../store/remote-state.ts';
import { type ListedIdx, listIdx } from './known.ts';

/** So many small idx files may be there before a push replaces them by one. */
export const mostSmallIdx = 32;
/** Larger ones (170,000 objects and more) stay as they are: what is merged is not to be sent again and again. */
const smallBytes = 8 << 20;
/** A merged idx is not made larger than this. */
const mergedMostBytes = 32 << 20;
const deletesAtOnce = 16;

/** What publishing needs. */
export interface PublishOptions {
  readonly remote: Remote;
  readonly state: RemoteState;
  readonly signal: AbortSignal | undefined;
}

/**
 * Publishes what was sent. Guarantee: at every instant, everything that some idx listed before is listed by one that
 * is there; if the process dies, the worst that is left is an idx that says again what others say.
 * @param listed what is there, as it was when the push began.
 * @returns the published idx.
 */
export async function publishIdx(
  sent: { packs: readonly PackListing[]; blobs: readonly Blob[] },
  listed: readonly ListedIdx[],
  options: PublishOptions,
): Promise<Idx> {
  const own = formatIdx(sent.packs, sent.blobs);
  const parsed = parseIdx(own, 'the new idx');
  const replaced = chooseReplaced(listed, own.length);
  const merged =
    replaced.length < mostSmallIdx ? undefined : mergeIdx([...replaced.map(({ idx }) => idx), parsed]);
  if (merged === undefined) await putIdx(own, options);
  else await replace(replaced, merged, own, options);
  return parsed;
}

/** The small ones, smallest first, as many as fit into one. */
function chooseReplaced(listed: readonly ListedIdx[], ownBytes: number): ListedIdx[] {
  const small = listed
    .filter(({ entry }) => entry.sizeBytes < smallBytes)
    .sort((a, b) => a.entry.sizeBytes - b.entry.sizeBytes);
  let bytes = ownBytes;
  return small.filter(({ entry }) => {
    bytes += entry.sizeBytes;
    return bytes <= mergedMostBytes;
  });
}

async function putIdx(bytes: Buffer, { remote, state, signal }: PublishOptions): Promise<void> {
  const name = idxNameOf(bytes);
  await remote.put(idxKey(name), bytes, { signal });
  state.saveIdx(name, bytes);
}

/**
 * Puts the merged idx, looks whether all it replaces is still there, and only then deletes that. If something is
 * gone, somebody else merges or has collected garbage, and the merged idx may say what is no longer so: then it is
 * taken back and nothing else deleted. So a merger either deletes what it replaces or its own, never both.
 */
async function replace(
  replaced: readonly ListedIdx[],
  merged: Buffer,
  own: Buffer,
  options: PublishOptions,
): Promise<void> {
  const { remote, state, signal } = options;
  const name = idxNameOf(merged);
  if (!(await remote.putIfAbsent(idxKey(name), merged, { signal }))) {
    // The same one, of another who sent the same: it decides what becomes of it.
    await putIdx(own, options);
    return;
  }
  const there = await listIdx(remote, signal);
  if (!replaced.every((file) => there.has(file.name))) {
    await putIdx(own, options);
    await remote.delete(idxKey(name), { signal });
    return;
  }
  state.saveIdx(name, merged);
  await inParallel(replaced, deletesAtOnce, async (file) => {
    await remote.delete(file.entry.key, { version: file.entry.version, signal });
  });
}
