/** The workspace follows the pointers, after git changed them. */
import { existsSync } from 'node:fs';
import type { Report } from '../core/events.ts';
import type { Materialised } from '../core/store/materialise.ts';
import type { Repo } from '../core/store/repo.ts';

/** What a hook is given. */
export interface HookContext {
  readonly repo: Repo;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/**
 * Whether there can be anything for dv to do here: data that dv put into this workspace, or text files that
 * stand for data. Asks git one question at most, since most hooks of most repositories end here.
 */
function hasData(repo: Repo): boolean {
  if (existsSync(repo.indexDir)) return true;
  return repo.git.output(['ls-files', '--cached', '--', '*.dv', 'stages.lock']) !== '';
}

/**
 * Brings the workspace to its pointers, as they stand after git changed them. Files the user deleted stay
 * deleted and local changes are kept; nothing is fetched.
 * @returns what was done, or undefined where dv tracks nothing.
 * @throws {DvError} as `checkout` of core/ops
 */
export async function followPointers(context: HookContext): Promise<Materialised | undefined> {
  if (!hasData(context.repo)) return undefined;
  const { checkout } = await import('../core/ops/checkout.ts');
  return checkout(context.repo, {
    force: false,
    complete: false,
    note: true,
    report: context.report,
    signal: context.signal,
  });
}
