/** `dv pull`: fetch, then checkout. */

import type { Report } from '../events.ts';
import type { RepoPath } from '../model/repo-path.ts';
import type { Materialised } from '../store/materialise.ts';
import type { Remote } from '../store/remote.ts';
import type { Repo } from '../store/repo.ts';
import { checkout } from './checkout.ts';
import { type FetchResult, fetch } from './fetch.ts';

/** How to pull. */
export interface PullOptions {
  /** Only these tracked paths, or those below these folders. */
  readonly paths?: readonly RepoPath[];
  /** Replace local changes, after saving them into the cache. */
  readonly force: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** What a pull did. */
export interface PullResult {
  readonly fetched: FetchResult;
  readonly checkedOut: Materialised;
}

/**
 * Fetches the workspace's data and brings the workspace to it. What did not arrive is in `fetched.failures`
 * and `checkedOut.missing`; everything else is in place.
 * @throws what `fetch` and `checkout` throw.
 */
export async function pull(repo: Repo, remote: Remote, options: PullOptions): Promise<PullResult> {
  const { force, ...rest } = options;
  const fetched = await fetch(repo, remote, rest);
  return { fetched, checkedOut: await checkout(repo, { ...rest, force, complete: true }) };
}
