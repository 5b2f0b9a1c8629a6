/**
 * `post-checkout <old commit> <new commit> <1 for branches, 0 for files>` (githooks(5)): `git checkout`,
 * `git switch`, `git worktree add`, and each step of a bisect.
 *
 * The commits are not compared: `git checkout --force` changes pointers without changing the commit, as
 * checkouts of single files do. What dv last put into the workspace says what there is to do.
 */
import { afterChange, type Change } from './after-change.ts';
import { followPointers } from './follow.ts';
import type { StageContext } from './run-stages.ts';

/** Runs the hook; stages only after a whole branch. @throws {DvError} as `afterChange` */
export async function postCheckout(args: readonly string[], context: StageContext): Promise<Change> {
  if (args[2] !== '0') return afterChange('post-checkout', context);
  return { followed: await followPointers(context), stages: undefined };
}
