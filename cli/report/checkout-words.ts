/** Words for what a checkout did, shared by `dv checkout`, `dv pull` and the hooks' commands. */
import type { Materialised } from '../../core/store/materialise.ts';
import { countOf, describeChanges, failureLines, pathLines } from './words.ts';

/** The exit status of a checkout: 12 data missing, 3 some files failed, 4 local changes kept, 0 done. */
export function checkoutExit(result: Materialised): number {
  if (result.missing.length > 0) return 12;
  if (result.failures.length > 0) return 3;
  return result.kept.length > 0 ? 4 : 0;
}

/** One line per path that changed, then what was kept, saved, missing or failed, each with what to type. */
export function checkoutLines(result: Materialised): string[] {
  const lines = result.changed.map(
    ({ path, created, replaced, deleted }) =>
      `${path}  ${describeChanges({ added: created, modified: replaced, deleted })}`,
  );
  if (result.saved.length > 0) {
    lines.push(
      ...pathLines(
        `${countOf(result.saved.length, 'changed file')} replaced; the old content is in the cache:`,
        result.saved.map(({ path, digest }) => `${path}  ${digest}`),
      ),
    );
  }
  if (result.kept.length > 0) {
    lines.push(
      ...pathLines(
        `${countOf(result.kept.length, 'file')} with changes of your own kept as they are:`,
        result.kept,
      ),
      'dv add records them; dv checkout --force replaces them, and saves what it replaces first',
    );
  }
  if (result.missing.length > 0) {
    lines.push(
      ...pathLines(
        'not in the cache, so left alone:',
        result.missing.map(({ path, digests }) => `${path}  (${countOf(digests.length, 'object')})`),
      ),
      'dv pull fetches the data',
    );
  }
  return [...lines, ...failureLines('could not be written', result.failures)];
}
