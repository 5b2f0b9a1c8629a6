/** `post-rewrite <amend|rebase>` (githooks(5)): the end of a rebase, whose steps run no other hook. */
import type { Materialised } from '../core/store/materialise.ts';
import { followPointers, type HookContext } from './follow.ts';

/** Runs the hook. An amended commit leaves the workspace as it was. @throws {DvError} as `followPointers` */
export async function postRewrite(
  args: readonly string[],
  context: HookContext,
): Promise<Materialised | undefined> {
  return args[0] === 'rebase' ? followPointers(context) : undefined;
}
