import { status } from '../../core/ops/status.ts';
import { defineCommand } from '../command.ts';
import { countOf, describeChanges, failureLines } from '../report/words.ts';
import { selectPaths, trackedPaths } from '../tracked-paths.ts';

/** The most important reason, and how many others there are. */
function explain(stage: { reasons: readonly string[] }): string {
  const [first, ...others] = stage.reasons;
  if (first === undefined) return '';
  return `  ${first}${others.length > 0 ? ` (and ${others.length} more: dv why)` : ''}`;
}

export const command = defineCommand<{ paths: string[]; check: boolean }>({
  usage: 'status [paths..]',
  summary: 'compare the workspace with the pointers, and stages with what they were made from',
  examples: [
    ['dv status', 'names every tracked path that differs'],
    ['dv status --check', 'for scripts: exit status 4 when something differs'],
  ],
  exits: [3, 4, 10],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('check', { describe: 'exit with 4 when something differs', type: 'boolean', default: false }),
  async run({ paths, check }, context) {
    const repo = context.repo();
    const result = await status(repo, {
      ...selectPaths(repo, context.cwd, paths),
      env: context.env,
      report: context.report,
      signal: context.signal,
    });
    const stale = result.stages.filter((stage) => stage.state !== 'fresh');
    const differing = result.paths.filter((path) => path.state !== 'clean');
    const lines = differing.map((path) => {
      const changes = path.state === 'modified' ? describeChanges(path) : '';
      return `${path.state.padEnd(13)}${path.path}${changes ? `  ${changes}` : ''}${path.problem ? `\n  ${path.problem}` : ''}`;
    });
    if (differing.some((path) => path.state === 'modified')) lines.push('dv add <path> records changes');
    if (differing.some((path) => path.modified > 0 || path.deleted > 0))
      lines.push('dv checkout --force <path> undoes them, saving what it replaces first');
    if (differing.some((path) => path.state === 'uncommitted'))
      lines.push('uncommitted: recorded but not in the cache; dv commit puts the bytes there');
    if (differing.some((path) => path.state === 'not-in-cache'))
      lines.push('dv pull fetches what is not in the cache');
    lines.push(...stale.map((stage) => `${stage.state.padEnd(13)}${stage.name}${explain(stage)}`));
    if (stale.some((stage) => stage.state !== 'frozen')) lines.push('dv repro brings stages up to date');
    if (lines.length === 0) {
      lines.push(
        result.paths.length === 0
          ? 'dv tracks nothing here yet; dv add <path> starts'
          : [
              `${countOf(result.paths.length, 'path')} as recorded`,
              ...(result.stages.length > 0 ? [`${countOf(result.stages.length, 'stage')} fresh`] : []),
            ].join(', '),
      );
    }
    if (result.conflicts.length > 0) {
      const { openConflictLines } = await import('../report/merge-words.ts');
      lines.unshift(...openConflictLines(result.conflicts));
    }
    lines.push(...failureLines('could not be read', result.failures));
    const exit =
      result.failures.length > 0
        ? 3
        : check && differing.length + stale.length + result.conflicts.length > 0
          ? 4
          : 0;
    return { value: result, text: lines.join('\n'), exit };
  },
});
