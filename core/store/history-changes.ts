/** Which files differ between commits and what came before them; reads only folders that differ. */
import type { FileAt } from './history.ts';
import { entryPath, folderMode, isRegularFile, type TreeEntry } from './history-objects.ts';

/** A file that differs; `before` is absent when it was added, `after` when it was deleted. */
export interface FileChange {
  readonly path: string;
  readonly before?: FileAt;
  readonly after?: FileAt;
}

/** Two folders to compare, by the full ids of their trees; undefined stands for an empty one. */
export interface FolderPair {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** A folder of one pair that differs, and is still to be looked at. */
interface Open extends FolderPair {
  readonly pair: number;
  readonly path: string;
}

/**
 * Compares many pairs of folders at once, level by level.
 * @param read gives the entries of folders by full id, in order.
 * @returns per pair the files and links that differ and match, sorted by path.
 */
export async function findChanges(
  pairs: readonly FolderPair[],
  matches: (path: string) => boolean,
  read: (ids: readonly string[]) => Promise<readonly TreeEntry[][]>,
): Promise<FileChange[][]> {
  const found = pairs.map(() => new Map<string, { path: string; before?: FileAt; after?: FileAt }>());
  const note = (pair: number, side: 'before' | 'after', file: FileAt) => {
    const known = found[pair]!.get(file.path) ?? { path: file.path };
    known[side] = file;
    found[pair]!.set(file.path, known);
  };
  let level: Open[] = pairs.flatMap((each, pair) =>
    each.before === each.after ? [] : [{ ...each, pair, path: '' }],
  );
  while (level.length > 0) {
    const ids = [...new Set(level.flatMap(({ before, after }) => [before, after]))].filter(
      (id) => id !== undefined,
    );
    const trees = new Map((await read(ids)).map((entries, i) => [ids[i]!, entries]));
    const next: Open[] = [];
    for (const { pair, path: folder, before, after } of level) {
      const old = new Map((trees.get(before ?? '') ?? []).map((entry) => [entry.name, entry]));
      const differ = (a: TreeEntry | undefined, b: TreeEntry | undefined) => {
        const path = entryPath(folder, (a ?? b)!);
        const isFolder = (entry: TreeEntry | undefined) => entry?.mode === folderMode;
        if (isFolder(a) || isFolder(b)) {
          next.push({
            pair,
            path,
            before: isFolder(a) ? a?.id : undefined,
            after: isFolder(b) ? b?.id : undefined,
          });
        }
        const isFile = (entry: TreeEntry) => isRegularFile(entry.mode) || entry.mode === '120000';
        if (a !== undefined && isFile(a) && matches(path))
          note(pair, 'before', { path, id: a.id, mode: a.mode });
        if (b !== undefined && isFile(b) && matches(path))
          note(pair, 'after', { path, id: b.id, mode: b.mode });
      };
      for (const entry of trees.get(after ?? '') ?? []) {
        const was = old.get(entry.name);
        old.delete(entry.name);
        if (was?.id !== entry.id || was.mode !== entry.mode) differ(was, entry);
      }
      for (const entry of old.values()) differ(entry, undefined);
    }
    level = next;
  }
  return found.map((files) => [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)));
}
