/** `dv pull`: fetch, then checkout. */
import type { Report } from '../events.ts';
import type { RepoPath } from '../model/repo-path.ts';
import type { Materialised } from '../store/materialise.ts';
import type { Remote } from '../store/remote.ts';
import type { Repo } from '../store/repo.ts';
import { checkout } from './checkout.ts';
import { chooseWhole } from './choose-data.ts';
import { type FetchResult, fetch } from './fetch.ts';
import type { Selection } from './transfer/data-sets.ts';
import { listWorkspaceData } from './workspace-data.ts';

/** How to pull. */
export interface PullOptions {
  /** Only these tracked paths, those below these folders, or (as a pattern) matched. */
  readonly paths?: readonly RepoPath[];
  /** Revisions whose data to fetch besides the workspace's. */
  readonly select?: Pick<Selection, 'revisions' | 'all'>;
  /** Replace local changes, after saving them into the cache. */
  readonly force: boolean;
  /** Only find out what would be fetched; the workspace is left alone. */
  readonly dryRun?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** What a pull did. */
export interface PullResult {
  readonly fetched: FetchResult;
  /** Undefined after a dry run. */
  readonly checkedOut: Materialised | undefined;
}

/**
 * Fetches the workspace's data and brings the workspace to it. What did not arrive is in `fetched.failures`
 * and `checkedOut.missing`; everything else is in place.
 * @throws {DvError} path-part before anything is fetched; what `fetch` and `checkout` throw.
 */
export async function pull(repo: Repo, remote: Remote, options: PullOptions): Promise<PullResult> {
  const { force, select, dryRun = false, ...rest } = options;
  chooseWhole(listWorkspaceData(repo), options.paths);
  const fetched = await fetch(repo, remote, {
    ...rest,
    dryRun,
    ...(select === undefined ? {} : { select: { workspace: true, ...select } }),
  });
  if (dryRun) return { fetched, checkedOut: undefined };
  return { fetched, checkedOut: await checkout(repo, { ...rest, force, complete: true }) };
}
