/**
 * `post-checkout <old commit> <new commit> <1 for branches, 0 for files>` (githooks(5)): `git checkout`,
 * `git switch`, `git worktree add`, and each step of a bisect.
 *
 * The commits are not compared: `git checkout --force` changes pointers without changing the commit, as
 * checkouts of single files do. What dv last put into the workspace says what there is to do.
 */
import type { Materialised } from '../core/store/materialise.ts';
import { followPointers, type HookContext } from './follow.ts';

/** Runs the hook. @throws {DvError} as `followPointers` */
export async function postCheckout(
  _args: readonly string[],
  context: HookContext,
): Promise<Materialised | undefined> {
  return followPointers(context);
}
