/** What post-checkout, post-merge and post-rewrite have in common: data first, then the stages that read it. */
import type { ReproResult } from '../core/ops/repro.ts';
import type { Materialised } from '../core/store/materialise.ts';
import type { HookEvent } from './events.ts';
import { followPointers } from './follow.ts';
import { runStages, type StageContext } from './run-stages.ts';

/** What a hook did. */
export interface Change {
  /** What became of the workspace; undefined where dv tracks nothing. */
  readonly followed: Materialised | undefined;
  /** What became of the stages; undefined when none asked for the event. */
  readonly stages: ReproResult | undefined;
}

/**
 * Brings the workspace to its pointers, then the event's stages up to date. Stages wait where data is missing:
 * they would only fail.
 * @throws {DvError} as `followPointers` and `runStages`
 */
export async function afterChange(event: HookEvent, context: StageContext): Promise<Change> {
  const followed = await followPointers(context);
  const complete = followed === undefined || followed.missing.length === 0;
  return { followed, stages: complete ? await runStages(event, context) : undefined };
}
