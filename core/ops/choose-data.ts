/** Which data typed paths mean. Hooks load this, so it reads nothing itself. */
import { DvError } from '../errors.ts';
import { pathPattern } from '../model/path-select.ts';
import { isWithin, type RepoPath } from '../model/repo-path.ts';
import type { DataRef } from '../model/snapshot.ts';

/** Data of which everything, or the part that was asked for, is wanted. */
export interface ChosenData extends DataRef {
  /** Of a tracked folder: whether the file at a path from the repository's top is wanted; left out, all are. */
  readonly part?: (path: string) => boolean;
}

/** What typed paths choose. */
export interface Choice {
  readonly data: readonly ChosenData[];
  /** Fails for a path that chose nothing; to be called when the listings of all chosen folders were read. @throws {DvError} path-not-tracked */
  checkUsed(): void;
}

/**
 * Chooses data by paths, which may be patterns and may lie inside a tracked folder.
 * @param refs everything there is, each path once per content.
 * @throws {DvError} path-not-tracked for a path that certainly chooses nothing.
 */
export function chooseData(refs: readonly DataRef[], paths: readonly RepoPath[] | undefined): Choice {
  if (paths === undefined) return { data: refs, checkUsed: () => {} };
  const isKnown = (path: RepoPath) => refs.some((ref) => isWithin(ref.path, path));
  const patterns = paths.map((path) => pathPattern(path, isKnown));
  const used = new Set<RepoPath>();
  const select = (path: string, among = patterns): boolean => {
    const selecting = among.filter((pattern) => pattern.selects(path));
    for (const { text } of selecting) used.add(text);
    return selecting.length > 0;
  };
  const reachedInto = new Set<RepoPath>();
  const data = refs.flatMap((ref): ChosenData[] => {
    if (select(ref.path)) return [ref];
    const inside = patterns.filter((pattern) => pattern.mayReachInto(ref.path));
    if (ref.pointer.kind === 'file' || inside.length === 0) return [];
    for (const { text } of inside) reachedInto.add(text);
    return [{ ...ref, part: (path) => select(path, inside) }];
  });
  const failUnless = (hit: (path: RepoPath) => boolean) => {
    for (const path of paths) if (!hit(path)) throw new DvError('path-not-tracked', { repoPath: path });
  };
  failUnless((path) => used.has(path) || reachedInto.has(path));
  return { data, checkUsed: () => failUnless((path) => used.has(path)) };
}

/**
 * The tracked paths that typed paths and patterns choose as a whole.
 * @throws {DvError} path-not-tracked; path-part when a path lies inside a tracked folder.
 */
export function chooseWhole<Ref extends DataRef>(
  refs: readonly Ref[],
  paths: readonly RepoPath[] | undefined,
): readonly Ref[] {
  if (paths === undefined) return refs;
  const isKnown = (path: RepoPath) => refs.some((ref) => isWithin(ref.path, path));
  const patterns = paths.map((path) => pathPattern(path, isKnown));
  for (const { text, selects } of patterns) {
    if (refs.some((ref) => selects(ref.path))) continue;
    const around = refs.find((ref) => isWithin(text, ref.path));
    if (around === undefined) throw new DvError('path-not-tracked', { repoPath: text });
    throw new DvError('path-part', { repoPath: text, tracked: around.path });
  }
  return refs.filter((ref) => patterns.some((pattern) => pattern.selects(ref.path)));
}
