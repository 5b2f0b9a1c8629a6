/** Words for what a checkout did, shared by `dv checkout`, `dv pull` and the hooks' commands. */
import { isWithin } from '../../core/model/repo-path.ts';
import { restoreCommand } from '../../core/model/shell.ts';
import type { Materialised } from '../../core/store/materialise.ts';
import { countOf, describeChanges, failureLines, pathLines } from './words.ts';

/** The exit status of a checkout: 12 data missing, 3 some files failed, 4 local changes kept, 0 done. */
export function checkoutExit(result: Materialised): number {
  if (result.missing.length > 0) return 12;
  if (result.failures.length > 0) return 3;
  return result.kept.length > 0 ? 4 : 0;
}

/** How to tell what a checkout did. */
export interface CheckoutWords {
  /** Whether the user stands at the top of the repository. */
  readonly atTop: boolean;
  /** Whether local changes were to be replaced: then what was kept anyway could not be. */
  readonly force: boolean;
  /** The command that fetches what is missing. */
  readonly fetch?: string;
}

/** One line per path that changed, then what was kept, saved, missing or failed, each with what to type. */
export function checkoutLines(
  result: Materialised,
  { atTop, force, fetch = 'dv pull' }: CheckoutWords,
): string[] {
  const lines = result.changed.map(
    ({ path, created, replaced, deleted }) =>
      `${path}  ${describeChanges({ added: created, modified: replaced, deleted })}`,
  );
  if (result.saved.length > 0) {
    lines.push(
      ...pathLines(
        `${countOf(result.saved.length, 'changed file')} replaced, after saving what they held; to get it back:`,
        savedCommands(result, atTop),
      ),
    );
  }
  if (result.kept.length > 0 && force) {
    lines.push(...pathLines('something else is in the way, and was kept:', result.kept));
  } else if (result.kept.length > 0) {
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
      `${fetch} fetches the data`,
    );
  }
  return [...lines, ...failureLines('could not be written', result.failures)];
}

/** What brings saved files back: one command for many of one path, else one each. */
function savedCommands({ saved, savedTogether }: Materialised, atTop: boolean): string[] {
  const alone = saved.filter(({ path }) => !savedTogether.some((tree) => isWithin(path, tree.path)));
  return [
    ...savedTogether.map((tree) => `${restoreCommand(tree, atTop)}  (${countOf(tree.files, 'file')})`),
    ...alone.map((each) => restoreCommand(each, atTop)),
  ];
}
