/** What data a commit stands for: its pointers, and the outputs its stages.lock records. */
import { looksLikePointer, parsePointer, pointerSuffix, trackedPathOf } from '../model/pointer.ts';
import { comparePaths, parseRepoPath } from '../model/repo-path.ts';
import type { History } from '../store/history.ts';
import type { DataPath } from './workspace-data.ts';

const isPointerFile = (path: string) =>
  path.endsWith(pointerSuffix) && !path.endsWith(`/${pointerSuffix}`) && path !== pointerSuffix;

/**
 * Reads the data of commits, nothing is checked out.
 * @param commits full ids.
 * @throws {DvError} invalid-file naming the file and its commit, newer-format
 */
export async function listDataAt(history: History, commits: readonly string[]): Promise<DataPath[][]> {
  const files = await history.listFiles(commits, isPointerFile);
  const wanted = files.flat();
  const blobs = await history.readBlobs(wanted.map((file) => file.id));
  const textOf = new Map(wanted.map((file, i) => [file.id, blobs[i]!.toString()]));
  return files.map((list, i) => {
    const data: DataPath[] = [];
    for (const file of list) {
      const text = textOf.get(file.id)!;
      const path = parseRepoPath(trackedPathOf(file.path));
      if (path === undefined || !looksLikePointer(text)) continue;
      data.push({ path, pointer: parsePointer(text, `${commits[i]!.slice(0, 10)}:${file.path}`) });
    }
    return data.sort((a, b) => comparePaths(a.path, b.path));
  });
}
