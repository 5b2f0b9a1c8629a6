/** What data a commit stands for: its pointers, and the outputs its stages.lock records. */
import { looksLikePointer, parsePointer, pointerSuffix, trackedPathOf } from '../model/pointer.ts';
import { parseRepoPath } from '../model/repo-path.ts';
import { lockFileName, outputsOf, parseLock, type StageOutput } from '../pipeline/lock-file.ts';
import type { History } from '../store/history.ts';
import { type DataPath, joinData } from './workspace-data.ts';

/** Whether a file's name is that of a pointer; what it says decides whether it is one. */
export const isPointerFile = (path: string): boolean =>
  path.endsWith(pointerSuffix) && !path.endsWith(`/${pointerSuffix}`) && path !== pointerSuffix;

/**
 * Reads the data of commits, nothing is checked out.
 * @param commits full ids.
 * @param matters leaves out pointers of other tracked paths, readable or not.
 * @throws {DvError} invalid-file naming the file and its commit, newer-format
 */
export async function listDataAt(
  history: History,
  commits: readonly string[],
  matters: (trackedPath: string) => boolean = () => true,
): Promise<DataPath[][]> {
  const files = await history.listFiles(
    commits,
    (path) => path === lockFileName || (isPointerFile(path) && matters(trackedPathOf(path))),
  );
  const ids = [...new Set(files.flat().map((file) => file.id))];
  const blobs = await history.readBlobs(ids);
  const textOf = new Map(ids.map((id, i) => [id, blobs[i]!.toString()]));
  return files.map((list, i) => {
    const pointers: DataPath[] = [];
    let outputs: StageOutput[] = [];
    for (const file of list) {
      const text = textOf.get(file.id)!;
      const name = `${commits[i]!.slice(0, 10)}:${file.path}`;
      if (file.path === lockFileName) {
        outputs = outputsOf(parseLock(text, name));
        continue;
      }
      const path = parseRepoPath(trackedPathOf(file.path));
      if (path === undefined || !looksLikePointer(text)) continue;
      pointers.push({ path, pointer: parsePointer(text, name) });
    }
    return joinData(pointers, outputs);
  });
}
