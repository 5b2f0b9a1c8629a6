/** Words for what a fetch did, shared by `dv fetch` and `dv pull`. */
import type { FetchResult } from '../../core/ops/fetch.ts';
import { countOf, formatBytes, pathLines } from './words.ts';

/** The exit status of a fetch: 12 when data is not on the remote, 3 when some of it is damaged there, 0 done. */
export function fetchExit(result: FetchResult): number {
  if (result.failures.some((failure) => failure.reason === 'missing')) return 12;
  return result.failures.length > 0 ? 3 : 0;
}

/** What arrived, and what did not. */
export function fetchLines(result: FetchResult): string[] {
  const paths = (reason: 'missing' | 'damaged') =>
    result.failures.filter((failure) => failure.reason === reason).map((failure) => failure.path);
  return [
    result.upToDate
      ? 'everything is in the cache already'
      : `fetched ${countOf(result.files, 'file')} (${formatBytes(result.bytes)}) from ${result.remote}`,
    ...pathLines(`not on ${result.remote}; dv push where the data is:`, paths('missing')),
    ...pathLines(`damaged on ${result.remote}, and not used:`, paths('damaged')),
  ];
}
