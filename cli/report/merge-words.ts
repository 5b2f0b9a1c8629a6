/** Words for merges: what is in conflict, and what to type. Shared by the merge driver, `dv status` and `dv checkout`. */
import type { FileConflict } from '../../core/model/merge-tree.ts';
import { shellWord } from '../../core/model/shell.ts';
import type { OpenConflict, OpenFile } from '../../core/ops/conflicts.ts';
import type { MergeEnd } from '../../hooks/merge-driver.ts';
import { clean } from './clean.ts';
import { countOf, formatCount } from './words.ts';

/** At most so many files are named. */
const mostNamed = 20;

/** How a file came to be in conflict, in the words of `git status`. */
export function describeConflict({ base, ours, theirs, obstacles }: FileConflict): string {
  if (obstacles !== undefined && base === undefined) {
    const [only, ...others] = obstacles;
    return `added by them where you have ${others.length > 0 ? countOf(obstacles.length, 'file') : clean(only!.path)}`;
  }
  if (ours === undefined) return 'deleted by us, modified by them';
  if (theirs === undefined) return 'modified by us, deleted by them';
  return base === undefined ? 'both added' : 'both modified';
}

/** One indented line per file, with which side's version is taken where that is known. */
function conflictLines(path: string, conflicts: readonly (FileConflict & Partial<OpenFile>)[]): string[] {
  const lines = conflicts.slice(0, mostNamed).map((conflict) => {
    const taken =
      'taken' in conflict
        ? `; ${conflict.taken === undefined ? 'neither is' : `${conflict.taken} is`} here`
        : '';
    return `  ${clean(joined(path, conflict.path))}  ${describeConflict(conflict)}${taken}`;
  });
  const more = conflicts.length - mostNamed;
  return more > 0 ? [...lines, `  … and ${formatCount(more)} more`] : lines;
}

/** What `dv status` says of paths in conflict, and what to type. */
export function openConflictLines(conflicts: readonly OpenConflict[]): string[] {
  const data = conflicts.filter(({ path }) => path !== 'stages.lock');
  const lines = data.flatMap(({ path, files = [] }) => [
    `conflict     ${clean(path)}${files.length > 0 ? `  ${countOf(files.length, 'file')} changed on both sides` : ''}`,
    ...conflictLines(path, files),
  ]);
  if (data.length > 0) {
    lines.push(
      'dv checkout --ours|--theirs <path> chooses a version; dv add <path> records what is here and ends the conflict',
    );
  }
  if (data.length < conflicts.length)
    lines.push('conflict     stages.lock', 'dv repro, then git add stages.lock, ends the conflict of stages');
  return lines;
}

const joined = (path: string, below: string) => (below === '' ? path : `${path}/${below}`);

/** What a merge driver says, one line each; nothing of a merge without conflicts. */
export function mergeLines(end: MergeEnd): string[] {
  switch (end.kind) {
    case 'data': {
      const [first] = end.conflicts;
      if (first === undefined) return [];
      const example = joined(end.path, first.path);
      const wholly = first.path === '';
      return [
        wholly
          ? `${clean(end.path)} changed on both sides; ours is kept`
          : `${countOf(end.conflicts.length, 'file')} of ${clean(end.path)} changed on both sides; ours ${end.conflicts.length === 1 ? 'is' : 'are'} kept, all else is merged`,
        ...(wholly ? [] : conflictLines(end.path, end.conflicts)),
        `theirs instead: dv checkout --theirs ${shellWord(example)}; when all are as they should be: dv add ${shellWord(end.path)}`,
      ];
    }
    case 'stages': {
      const stages = end.stages.map(clean);
      return [
        `${countOf(stages.length, 'stage')} ran anew on both sides, so what ours recorded is kept: ${stages.slice(0, mostNamed).join(', ')}`,
        'bring them up to date with the merged data: dv repro, then git add stages.lock',
      ];
    }
    case 'text':
      if (end.reason === undefined) return [];
      return end.reason === 'listing-missing'
        ? [
            `${clean(end.path)} could not be merged file by file, as a list of its files is not in the cache`,
            `dv fetch --all && git checkout --merge ${shellWord(`${end.path}.dv`)} merges it again`,
          ]
        : [`merged as text, since ${clean(end.reason.message)}`];
  }
}
