/**
 * `post-index-change <1 if the workspace was updated> <…>` (githooks(5)): runs whenever git has written its index. It is
 * the only hook of `git reset --hard`, `git stash`, `git sparse-checkout`, of a merge that stops at conflicts and of
 * each step of a rebase. The shim lets through what changed pointers; see core/store/followed.ts.
 */
import type { Change } from './after-change.ts';
import type { HookContext } from './follow.ts';
import { followPointers } from './follow.ts';

/** Runs the hook. No stages: git may be in the middle of something, and another hook follows where it is not. @throws {DvError} as `followPointers` */
export async function postIndexChange(_args: readonly string[], context: HookContext): Promise<Change> {
  // Whoever wants a checkout to leave data alone does not want it followed one hook earlier.
  if (context.repo.config.hooks.get('post-checkout') === false)
    return { followed: undefined, stages: undefined };
  return { followed: await followPointers(context), stages: undefined };
}
