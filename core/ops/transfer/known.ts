/** What a remote says it holds: all its idx files, in one table. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDvError } from '../../errors.ts';
import type { Report } from '../../events.ts';
import { type Idx, parseIdx } from '../../model/idx.ts';
import { PlaceTable } from '../../model/place-table.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote, RemoteEntry } from '../../store/remote.ts';
import { epochKey, idxKey, idxNameIn, idxPrefix, isIdxNamed } from '../../store/remote-layout.ts';
import type { RemoteState } from '../../store/remote-state.ts';

/** How many idx files are asked for at once. */
const idxAtOnce = 16;
/**
 * How often the list is read again because a file on it was gone (merged by another) before it could be read. After
 * that it is taken for what some servers do: to list for a while what was deleted.
 */
const tries = 8;
const pauseMs = 100;

/** An idx that is on a remote and whole. */
export interface ListedIdx {
  /** 64 hex digits. */
  readonly name: string;
  readonly entry: RemoteEntry;
  readonly idx: Idx;
}

/** Everything a remote's idx files say. */
export interface Known {
  readonly table: PlaceTable;
  readonly files: readonly ListedIdx[];
  /** Names of all that were listed, damaged ones too. */
  readonly listed: readonly string[];
  /** What garbage collection had last begun or ended when they were listed; undefined when there never was one. */
  readonly epoch: string | undefined;
}

/** What reading needs. */
export interface KnownOptions {
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** The idx files on a remote by name. */
export async function listIdx(
  remote: Remote,
  signal: AbortSignal | undefined,
): Promise<Map<string, RemoteEntry>> {
  return (await listIdxAndEpoch(remote, signal)).listed;
}

/** The idx files on a remote by name, and what garbage collection had last begun or ended. */
export interface IdxListing {
  readonly listed: Map<string, RemoteEntry>;
  readonly epoch: string | undefined;
}

/** Lists idx files and looks for signs of garbage collection, in one question. */
export async function listIdxAndEpoch(remote: Remote, signal: AbortSignal | undefined): Promise<IdxListing> {
  const listed = new Map<string, RemoteEntry>();
  let epoch: string | undefined;
  for await (const entry of remote.list(idxPrefix, { signal })) {
    const name = idxNameIn(entry.key);
    if (name !== undefined) listed.set(name, entry);
    if (entry.key === epochKey) epoch = entry.version;
  }
  return { listed, epoch };
}

/**
 * Reads every idx this machine does not remember. A damaged one is named in a warning and left out: what only
 * it lists counts as not there. One that vanished between list and look was replaced by another, which a new list has.
 * @param firstList the list, if it was asked for before.
 * @throws {DvError} newer-format, and what the remote throws.
 */
export async function loadIndexes(
  remote: Remote,
  state: RemoteState,
  { report, signal }: KnownOptions,
  firstList?: Promise<IdxListing>,
): Promise<Known> {
  const warned = new Set<string>();
  for (let attempt = 1; ; attempt++) {
    const { listed, epoch } = await (attempt === 1 && firstList !== undefined
      ? firstList
      : listIdxAndEpoch(remote, signal));
    state.keepIdx(new Set(listed.keys()));
    let vanished = false;
    const files = await inParallel(listed, idxAtOnce, async ([name, entry]): Promise<ListedIdx[]> => {
      const remembered = state.readIdx(name);
      if (remembered !== undefined) return [{ name, entry, idx: remembered }];
      const bytes = await remote.get(idxKey(name), { signal });
      if (bytes === undefined) {
        vanished = true;
        return [];
      }
      try {
        if (isIdxNamed(bytes, name)) {
          const idx = parseIdx(bytes, idxKey(name));
          state.saveIdx(name, bytes);
          return [{ name, entry, idx }];
        }
      } catch (error) {
        if (!isDvError(error, 'invalid-file')) throw error;
      }
      if (!warned.has(name))
        report({ type: 'warning', message: `${remote.url}/${idxKey(name)} is damaged and was not used` });
      warned.add(name);
      return [];
    });
    if (vanished && attempt < tries) {
      if (attempt > 1) await sleep(pauseMs * attempt * Math.random());
      continue;
    }
    const table = new PlaceTable();
    for (const { idx } of files.flat()) table.add(idx);
    return { table, files: files.flat(), listed: [...listed.keys()], epoch };
  }
}

/** Like `loadIndexes`, and gives the table alone. */
export async function loadKnown(
  remote: Remote,
  state: RemoteState,
  options: KnownOptions,
): Promise<PlaceTable> {
  return (await loadIndexes(remote, state, options)).table;
}
