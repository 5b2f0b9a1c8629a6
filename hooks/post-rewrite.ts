/** `post-rewrite <amend|rebase>` (githooks(5)): the end of a rebase, whose steps run no other hook. */
import { afterChange, type Change } from './after-change.ts';
import type { StageContext } from './run-stages.ts';

/** Runs the hook. An amended commit leaves the workspace as it was. @throws {DvError} as `afterChange` */
export async function postRewrite(args: readonly string[], context: StageContext): Promise<Change> {
  if (args[0] === 'rebase') return afterChange('post-rewrite', context);
  return { followed: undefined, stages: undefined };
}
