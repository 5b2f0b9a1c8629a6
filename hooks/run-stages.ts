/** After git changed the workspace: brings up to date the stages whose `on` names the event. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../core/events.ts';
import type { ReproResult } from '../core/ops/repro.ts';
import type { Repo } from '../core/store/repo.ts';
import { readWorkspaceText } from '../core/store/workspace-text.ts';
import type { HookEvent } from './events.ts';
import type { HookContext } from './follow.ts';

/** What stages need besides. */
export interface StageContext extends HookContext {
  /** The environment stages get. */
  readonly env: NodeJS.ProcessEnv;
  /** How many stages run at once. */
  readonly jobs: number;
  /** How to call dv itself: a program and its first arguments. */
  readonly dvCommand: readonly [string, ...string[]];
}

/**
 * Whether git is in the middle of something that goes on only with a clean workspace: stages write files git
 * tracks. A rebase has ended when post-rewrite runs, though its folder is still there.
 */
function isUnderWay(repo: Repo, event: HookEvent): boolean {
  if (event === 'post-rewrite') return false;
  return ['rebase-merge', 'rebase-apply', 'BISECT_LOG'].some((name) => existsSync(join(repo.gitDir, name)));
}

/** Whether stages.yaml names the event at all; to know more, a YAML library must be loaded. */
function mayName(repo: Repo, event: HookEvent): boolean {
  return readWorkspaceText(repo.root, 'stages.yaml')?.includes(event) ?? false;
}

/**
 * Runs the stages of an event, and what they read from; undefined when there are none, or while a rebase or a
 * bisect is under way. What the stages write is not reported: git's own output is being read.
 * @throws {DvError} as `repro` of core/ops
 */
export async function runStages(event: HookEvent, context: StageContext): Promise<ReproResult | undefined> {
  const { repo, signal, env, jobs, dvCommand } = context;
  if (isUnderWay(repo, event) || !mayName(repo, event)) return undefined;
  const { stagesForEvent } = await import('../core/pipeline/stages-file.ts');
  const stages = await stagesForEvent(repo, event);
  if (stages.length === 0) return undefined;
  const report: Report = (happened) => {
    if (happened.type === 'progress' || happened.type === 'warning') context.report(happened);
  };
  const { repro } = await import('../core/ops/repro.ts');
  return repro(repo, { stages, jobs, env, dvCommand, report, signal });
}
