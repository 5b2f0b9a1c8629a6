/** Three-way merge of `stages.lock`, stage by stage: what one run of a stage recorded belongs together. */
import { comparePaths } from '../model/repo-path.ts';
import { formatLock, type LockEntry, parseLock, type StagesLock } from './lock-file.ts';

/** A stage that both sides recorded anew, and not in the same way. */
export interface StageConflict {
  readonly stage: string;
  readonly base?: LockEntry;
  readonly ours?: LockEntry;
  readonly theirs?: LockEntry;
}

/** What a merge gave. */
export interface MergedLock {
  /** Stages in conflict are as `take` asked for. */
  readonly lock: StagesLock;
  /** Sorted by stage. */
  readonly conflicts: readonly StageConflict[];
}

/** Whether two recordings are the same. */
const same = (a: LockEntry | undefined, b: LockEntry | undefined) =>
  a === b || (a !== undefined && b !== undefined && textOf(a) === textOf(b));
const textOf = (entry: LockEntry) => formatLock(new Map([['stage', entry]]));

/**
 * Merges what two sides recorded. Each stage is taken whole, with its inputs and outputs: half of one run and half
 * of another would be the record of a run that never was.
 * @param take which version a stage in conflict gets. Ours says truly what is in our workspace; whether that is
 * stale is found as always, by comparing it with the merged inputs.
 * @throws {DvError} invalid-file when the sides have two stages write the same path.
 */
export function mergeLocks(
  sides: { readonly base: StagesLock; readonly ours: StagesLock; readonly theirs: StagesLock },
  take: 'base' | 'ours' = 'ours',
): MergedLock {
  const lock = new Map<string, LockEntry>();
  const conflicts: StageConflict[] = [];
  const stages = new Set([...sides.ours.keys(), ...sides.theirs.keys()]);
  for (const stage of [...stages].sort(comparePaths)) {
    const base = sides.base.get(stage);
    const ours = sides.ours.get(stage);
    const theirs = sides.theirs.get(stage);
    let chosen = ours;
    if (same(base, ours)) chosen = theirs;
    else if (!same(base, theirs) && !same(ours, theirs)) {
      conflicts.push({ stage, ...(base && { base }), ...(ours && { ours }), ...(theirs && { theirs }) });
      chosen = take === 'base' ? base : ours;
    }
    if (chosen !== undefined) lock.set(stage, chosen);
  }
  return { lock: parseLock(formatLock(lock), 'stages.lock'), conflicts };
}
