import { isDvError } from '../../core/errors.ts';
import { isWithin, type RepoPath } from '../../core/model/repo-path.ts';
import type { HeadChange } from '../../core/ops/head-changes.ts';
import type { PushResult } from '../../core/ops/push.ts';
import { status } from '../../core/ops/status.ts';
import { type DataPath, listWorkspaceData } from '../../core/ops/workspace-data.ts';
import { defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import type { Failure } from '../exit.ts';
import { countOf, describeChanges, failureLines, formatBytes, pathLines } from '../report/words.ts';
import { selectPaths, trackedPaths } from '../tracked-paths.ts';

/** The most important reason, and how many others there are. */
function explain(stage: { reasons: readonly string[] }): string {
  const [first, ...others] = stage.reasons;
  if (first === undefined) return '';
  return `  ${first}${others.length > 0 ? ` (and ${others.length} more: dv why)` : ''}`;
}

/** What git has to commit, and how. */
function toCommitLines(changes: readonly HeadChange[]): string[] {
  const all = changes.every(({ staged }) => staged === true);
  return [
    ...pathLines(
      'to be committed with git:',
      changes.map(({ path, change }) => `${change.padEnd(9)}${path}`),
    ),
    ...(changes.length > 0 && !all ? ['git add the pointers (*.dv) first, and stages.lock'] : []),
  ];
}

/** What a remote lacks, or why that is not known. */
type RemoteLook =
  | (Pick<PushResult, 'remote' | 'objects' | 'files' | 'bytes' | 'requests' | 'upToDate'> & {
      readonly error?: never;
    })
  | { readonly error: Failure['document']['error']; readonly status: number };

/** Asks the remote as `dv push --dry-run` does; that it cannot be asked does not keep the rest from being told. */
async function lookAtRemote(context: Context, paths: readonly RepoPath[] | undefined): Promise<RemoteLook> {
  const { push } = await import('../../core/ops/push.ts');
  const { describeFailure } = await import('../exit.ts');
  try {
    const repo = context.repo();
    const isWanted = ({ path }: DataPath) => paths?.some((each) => isWithin(path, each)) ?? true;
    const sets = paths === undefined ? {} : { sets: [listWorkspaceData(repo).filter(isWanted)] };
    const remote = await context.openRemote();
    try {
      const { report, signal } = context;
      const { packs: _, ...found } = await push(repo, remote, { ...sets, dryRun: true, report, signal });
      return found;
    } finally {
      await remote.close();
    }
  } catch (error) {
    if (!isDvError(error)) throw error;
    const { document, status } = describeFailure(error);
    return { error: document.error, status };
  }
}

function remoteLines(look: RemoteLook): string[] {
  if (look.error !== undefined) {
    return [
      `remote: ${look.error.message}`,
      ...(look.error.hint === null ? [] : [`hint: ${look.error.hint}`]),
    ];
  }
  if (look.objects === 0) return [`everything is on ${look.remote}`];
  return [
    `not on ${look.remote}: ${countOf(look.files, 'file')} (${formatBytes(look.bytes)}); dv push sends them`,
  ];
}

interface Options {
  paths: string[];
  check: boolean;
  remote: boolean;
}

export const command = defineCommand<Options>({
  usage: 'status [paths..]',
  summary: 'compare the workspace with the pointers, and stages with what they were made from',
  examples: [
    ['dv status', 'names every tracked path that differs'],
    ['dv status --check', 'for scripts: exit status 4 when data or stages differ from what is recorded'],
    ['dv status --remote', 'also says what the remote does not have yet'],
  ],
  exits: [3, 4, 10, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('check', {
        describe:
          'exit with 4 when data differs from its pointers, a stage is not fresh, or (with --remote) data is not pushed; what only git has to commit does not count',
        type: 'boolean',
        default: false,
      })
      .option('remote', {
        describe: 'also compare with the default remote',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, check, remote }, context) {
    const repo = context.repo();
    const selected = selectPaths(repo, context.cwd, paths);
    const [result, look] = await Promise.all([
      status(repo, {
        ...selected,
        env: context.env,
        report: context.report,
        signal: context.signal,
      }),
      remote ? lookAtRemote(context, selected.paths) : undefined,
    ]);
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
    lines.push(...toCommitLines(result.toCommit), ...(look === undefined ? [] : remoteLines(look)));
    if (result.conflicts.length > 0) {
      const { openConflictLines } = await import('../report/merge-words.ts');
      lines.unshift(...openConflictLines(result.conflicts));
    }
    lines.push(...failureLines('could not be read', result.failures));
    const unsent = look?.error === undefined && look !== undefined && look.objects > 0 ? 1 : 0;
    const differences = differing.length + stale.length + result.conflicts.length + unsent;
    const exit =
      result.failures.length > 0 ? 3 : (look?.error && look.status) || (check && differences > 0 ? 4 : 0);
    const told = look?.error === undefined ? look : { error: look.error };
    return { value: told === undefined ? result : { ...result, remote: told }, text: lines.join('\n'), exit };
  },
});
