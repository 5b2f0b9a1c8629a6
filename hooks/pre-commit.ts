/** `pre-commit` (githooks(5)): tells of tracked data that was changed and not added. It never stops a commit. */
import { listUnrecorded, type Unrecorded } from '../core/ops/unrecorded.ts';
import type { HookContext } from './follow.ts';

/** Runs the hook. @throws {DvError} as `listUnrecorded` */
export async function preCommit(_args: readonly string[], context: HookContext): Promise<Unrecorded[]> {
  return listUnrecorded(context.repo, context.signal);
}
