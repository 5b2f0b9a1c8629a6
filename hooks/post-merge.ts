/** `post-merge <1 for a squash>` (githooks(5)): a merge or a `git pull` that changed the workspace. */
import { afterChange, type Change } from './after-change.ts';
import type { StageContext } from './run-stages.ts';

/** Runs the hook. @throws {DvError} as `afterChange` */
export async function postMerge(_args: readonly string[], context: StageContext): Promise<Change> {
  return afterChange('post-merge', context);
}
