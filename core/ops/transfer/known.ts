/** What a remote says it holds: all its idx files, in one table. */
import { isDvError } from '../../errors.ts';
import type { Report } from '../../events.ts';
import { type Idx, parseIdx } from '../../model/idx.ts';
import { PlaceTable } from '../../model/place-table.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote } from '../../store/remote.ts';
import { idxKey, idxNameIn, idxPrefix, isIdxNamed } from '../../store/remote-layout.ts';
import type { RemoteState } from '../../store/remote-state.ts';

/** How many idx files are asked for at once. */
const idxAtOnce = 16;
/** How often the list is read again because a file on it was gone (merged by another) before it could be read. */
const tries = 3;

/**
 * Reads every idx this machine does not remember. A damaged one is named in a warning and left out: what only
 * it lists counts as not there.
 * @throws {DvError} newer-format, and what the remote throws.
 */
export async function loadKnown(
  remote: Remote,
  state: RemoteState,
  options: { report: Report; signal: AbortSignal | undefined },
): Promise<PlaceTable> {
  const { report, signal } = options;
  const warned = new Set<string>();
  for (let attempt = 1; ; attempt++) {
    const names = new Set<string>();
    for await (const { key } of remote.list(idxPrefix, { signal })) {
      const name = idxNameIn(key);
      if (name !== undefined) names.add(name);
    }
    state.keepIdx(names);
    let vanished = false;
    const indexes = await inParallel(names, idxAtOnce, async (name): Promise<Idx | undefined> => {
      const remembered = state.readIdx(name);
      if (remembered !== undefined) return remembered;
      const bytes = await remote.get(idxKey(name), { signal });
      if (bytes === undefined) {
        vanished = true;
        return undefined;
      }
      try {
        const idx = isIdxNamed(bytes, name) ? parseIdx(bytes, idxKey(name)) : undefined;
        if (idx !== undefined) {
          state.saveIdx(name, bytes);
          return idx;
        }
      } catch (error) {
        if (!isDvError(error, 'invalid-file')) throw error;
      }
      if (!warned.has(name))
        report({ type: 'warning', message: `${remote.url}/${idxKey(name)} is damaged and was not used` });
      warned.add(name);
      return undefined;
    });
    if (vanished && attempt < tries) continue;
    const table = new PlaceTable();
    for (const idx of indexes) if (idx !== undefined) table.add(idx);
    return table;
  }
}
