/** Words for what `dv add` and `dv commit` recorded. */
import type { AddResult } from '../../core/ops/add.ts';
import { describePointer, failureLines } from './words.ts';

/** One line per path, then the files that could not be read. */
export function addedLines(result: AddResult): string[] {
  const lines = result.added.map(
    ({ path, pointer, changed }) =>
      `${changed ? 'recorded' : 'unchanged'}  ${path}  (${describePointer(pointer)})`,
  );
  return [...lines, ...failureLines('could not be read', result.failures)];
}
