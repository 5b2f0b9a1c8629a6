/** What hooks say: one line per thing the user should know, none when nothing changed. */

import { shellWord } from '../../core/model/shell.ts';
import type { PushResult } from '../../core/ops/push.ts';
import type { ReproResult } from '../../core/ops/repro.ts';
import type { Unrecorded } from '../../core/ops/unrecorded.ts';
import type { Materialised } from '../../core/store/materialise.ts';
import type { Repo } from '../../core/store/repo.ts';
import { readPointer } from '../../core/store/tracked.ts';
import { clean } from './clean.ts';
import { countOf, describeChanges, failureLines, formatBytes } from './words.ts';

/** Lines, each to be printed behind `dv: `. */
export function followLines(repo: Repo, result: Materialised): string[] {
  const lines: string[] = [];
  const [first, ...others] = result.changed;
  if (first !== undefined) {
    const counts = result.changed.reduce(
      (sum, path) => ({
        added: sum.added + path.created,
        modified: sum.modified + path.replaced,
        deleted: sum.deleted + path.deleted,
      }),
      { added: 0, modified: 0, deleted: 0 },
    );
    const what =
      others.length === 0 ? pathNow(repo, first.path) : `${countOf(result.changed.length, 'path')} changed`;
    lines.push(`${what} (${describeChanges(counts)})`);
  }
  if (result.kept.length > 0) {
    lines.push(`${countOf(result.kept.length, 'file')} with changes of your own kept as they are: dv status`);
  }
  return [
    ...lines,
    ...missingLines(result),
    ...failureLines('could not be written', result.failures).map(clean),
  ];
}

/** Says whose data is missing, in a line at most. */
export function missingLines({ missing }: Materialised): string[] {
  const [only, ...others] = missing;
  if (only === undefined) return [];
  const whose = others.length === 0 ? clean(only.path) : countOf(missing.length, 'path');
  return [`data of ${whose} is not here: dv pull`];
}

/** What a path has become: `data/train is now 2,880 files`. */
function pathNow(repo: Repo, path: string): string {
  const pointer = readPointer(repo, path);
  const name = clean(path);
  if (pointer === undefined) return `${name} changed`;
  return pointer.kind === 'tree' ? `${name} is now ${countOf(pointer.files, 'file')}` : `${name} changed`;
}

/** One line per path that was changed and not added, for git commit. */
export function unrecordedLines(unrecorded: readonly Unrecorded[]): string[] {
  return unrecorded.map(({ path, unsure, ...counts }) => {
    const what = unsure ? 'may have changes' : 'has changes';
    return `${clean(path)} ${what} that are not recorded (${describeChanges(counts)}): dv add ${shellWord(path)}`;
  });
}

/** Says what went to the remote; nothing when it was all there. */
export function pushLines(result: PushResult): string[] {
  if (result.upToDate || result.objects === 0) return [];
  return [
    `pushed ${countOf(result.files, 'file')}, ${formatBytes(result.bytes)}, to ${clean(result.remote)}`,
  ];
}

/** Says what became of stages: those that did something in one line, then failures, then what git should have. */
export function stageLines(result: ReproResult): string[] {
  const done = result.stages.filter(({ outcome }) => outcome === 'ran' || outcome === 'restored');
  const lines: string[] = [];
  if (done.length > 0) {
    const told = done.map(
      ({ name, outcome, seconds }) => `${clean(name)} ${outcome} (${seconds.toFixed(1)} s)`,
    );
    lines.push(`stages: ${told.join(', ')}`);
  }
  for (const { name, failure } of result.stages) {
    if (failure !== undefined)
      lines.push(`stage ${clean(name)} failed: ${clean(failure.message)}; dv repro tries again`);
  }
  if (done.length > 0 && result.commit.length > 0)
    lines.push(`to commit: ${result.commit.map(clean).join(' ')}`);
  return lines;
}
