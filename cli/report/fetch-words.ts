/** Words for what a fetch did, shared by `dv fetch` and `dv pull`. */
import type { FetchResult } from '../../core/ops/fetch.ts';
import type { PullResult } from '../../core/ops/pull.ts';
import { type CheckoutWords, checkoutExit, checkoutLines } from './checkout-words.ts';
import { countOf, formatBytes, pathLines } from './words.ts';

/** The exit status of a fetch: 12 when data is not on the remote, 3 when some of it is damaged there, 0 done. */
export function fetchExit(result: FetchResult): number {
  if (result.failures.some((failure) => failure.reason === 'missing')) return 12;
  return result.failures.length > 0 ? 3 : 0;
}

/** The exit status of a pull: the fetch's, else the checkout's. */
export function pullExit({ fetched, checkedOut }: PullResult): number {
  return fetchExit(fetched) || (checkedOut === undefined ? 0 : checkoutExit(checkedOut));
}

/** What arrived, and what the workspace became. */
export function pullLines({ fetched, checkedOut }: PullResult, words: CheckoutWords): string[] {
  return checkedOut === undefined
    ? fetchLines(fetched, { dryRun: true })
    : [...fetchLines(fetched), ...checkoutLines(checkedOut, words)];
}

/** What arrived (or would), and what did not. */
export function fetchLines(result: FetchResult, { dryRun = false } = {}): string[] {
  const paths = (reason: 'missing' | 'damaged') =>
    result.failures.filter((failure) => failure.reason === reason).map((failure) => failure.path);
  return [
    result.upToDate
      ? 'everything is in the cache already'
      : `${dryRun ? 'would fetch' : 'fetched'} ${countOf(result.files, 'file')} (${formatBytes(result.bytes)}) from ${result.remote}`,
    ...pathLines(`not on ${result.remote}; dv push where the data is:`, paths('missing')),
    ...pathLines(`damaged on ${result.remote}, and not used:`, paths('damaged')),
  ];
}
