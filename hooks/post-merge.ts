/** `post-merge <1 for a squash>` (githooks(5)): a merge or a `git pull` that changed the workspace. */
import type { Materialised } from '../core/store/materialise.ts';
import { followPointers, type HookContext } from './follow.ts';

/** Runs the hook. @throws {DvError} as `followPointers` */
export async function postMerge(
  _args: readonly string[],
  context: HookContext,
): Promise<Materialised | undefined> {
  return followPointers(context);
}
