/** Which data a transfer is about. */
import { type DataRef, makeSnapshot, type Snapshot } from '../../model/snapshot.ts';
import { openHistory } from '../../store/history.ts';
import type { Repo } from '../../store/repo.ts';
import { listDataAt } from '../data-at.ts';
import { listWorkspaceData } from '../workspace-data.ts';

/** What to transfer, as a command says it. */
export interface Selection {
  /** The workspace's pointers as they stand. */
  readonly workspace: boolean;
  /** Revisions; `HEAD` of a repository without commits is nothing. */
  readonly revisions: readonly string[];
  /** All local and remote branches and tags. */
  readonly all: boolean;
}

/**
 * Reads the data of the workspace and of revisions; equal sets come once, empty ones not at all.
 * @throws {DvError} unknown-revision, invalid-file, newer-format
 */
export async function readSelection(repo: Repo, selection: Selection): Promise<Snapshot[]> {
  const sets: (readonly DataRef[])[] = selection.workspace ? [listWorkspaceData(repo)] : [];
  if (selection.all || selection.revisions.length > 0) {
    await using history = await openHistory(repo);
    const commits: string[] = [];
    for (const revision of selection.revisions) {
      const commit = revision === 'HEAD' ? await history.find(revision) : await history.resolve(revision);
      if (commit !== undefined) commits.push(commit.id);
    }
    if (selection.all) {
      const refs = [...(await history.branches({ remotes: true })), ...(await history.tags())];
      commits.push(...refs.map((ref) => ref.commit));
    }
    sets.push(...(await listDataAt(history, [...new Set(commits)])));
  }
  return distinctSnapshots(sets);
}

/** Makes snapshots of sets; equal sets come once, empty ones not at all. */
export function distinctSnapshots(sets: readonly (readonly DataRef[])[]): Snapshot[] {
  const snapshots = sets.filter((set) => set.length > 0).map(makeSnapshot);
  return [...new Map(snapshots.map((snapshot) => [snapshot.digest, snapshot])).values()];
}

/** Everything snapshots refer to, each content once, in path order. */
export function distinctData(snapshots: readonly Snapshot[]): DataRef[] {
  return distinctContents(snapshots.flatMap((snapshot) => snapshot.refs));
}

/** The first of the refs to each content. */
export function distinctContents<Ref extends DataRef>(refs: readonly Ref[]): Ref[] {
  const found = new Map<string, Ref>();
  for (const ref of refs) {
    const key = `${ref.pointer.kind} ${ref.pointer.digest}`;
    if (!found.has(key)) found.set(key, ref);
  }
  return [...found.values()];
}
