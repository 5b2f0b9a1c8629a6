import { resolve } from 'node:path';
import { DvError } from '../../core/errors.ts';
import { ageForms, parseAge } from '../../core/model/age.ts';
import { gc } from '../../core/ops/gc.ts';
import { type CommandResult, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { allRemotes } from '../remotes.ts';
import { gcLines, remoteGcLines } from '../report/gc-words.ts';

/** Reads an age. @throws {DvError} usage */
function ageOption(name: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard;
  const age = parseAge(text);
  if (age === undefined)
    throw new DvError('usage', { message: `--${name} ${text}: expected an age: ${ageForms}` });
  return age;
}

export const command = defineCommand<{
  yes: boolean;
  force: boolean;
  'older-than': string | undefined;
  'used-by': string[] | undefined;
  remote: string | undefined;
  grace: string | undefined;
  'skip-broken': boolean;
}>({
  usage: 'gc',
  summary: 'remove data that nothing needs any more, or say what would be removed',
  examples: [
    ['dv gc', 'says what keeps what, and what could go; removes nothing'],
    ['dv gc --yes', 'removes what no commit, branch, reflog, stash or worktree needs and a remote holds'],
    [
      'dv gc --remote --yes',
      'removes from the remote what no ref of any git remote needs, in steps a week apart',
    ],
    ['dv gc --yes --force --older-than 1d', 'removes also what exists nowhere else'],
  ],
  exits: [10, 11, 12, 13, 14],
  options: (yargs) =>
    yargs
      .option('yes', {
        describe: 'remove; without it nothing is changed',
        type: 'boolean',
        default: false,
      })
      .option('force', {
        describe: 'remove also what no remote confirms to hold',
        type: 'boolean',
        default: false,
      })
      .option('older-than', {
        describe: `keep what is younger (${ageForms}); by default dv.gc.pruneExpire, or 2 weeks`,
        type: 'string',
        requiresArg: true,
      })
      .option('used-by', {
        describe:
          'another repository that uses the same cache (dv.cache.dir); may be repeated; . for no other',
        type: 'string',
        array: true,
        nargs: 1,
      })
      .option('remote', {
        describe: 'collect garbage on a remote instead, by name or the default one',
        type: 'string',
      })
      .option('grace', {
        describe: 'with --remote: how long each step waits; by default dv.gc.remoteGrace, or 1 week',
        type: 'string',
        requiresArg: true,
      })
      .option('skip-broken', {
        describe: 'go on past pointers in history that cannot be read, keeping the digests in them',
        type: 'boolean',
        default: false,
      }),
  async run(options, context) {
    const repo = context.repo();
    if (options.remote !== undefined) return collectOnRemote(options, options.remote, context);
    if (options.grace !== undefined)
      throw new DvError('usage', { message: '--grace is for --remote', hint: 'dv gc --older-than' });
    const olderThanMs = ageOption('older-than', options['older-than'], repo.config.gc.pruneExpireMs);
    const result = await gc(repo, {
      apply: options.yes,
      olderThanMs,
      force: options.force,
      skipBroken: options['skip-broken'],
      usedBy: options['used-by']?.map((folder) => resolve(context.cwd, folder)),
      remotes: allRemotes(context),
      env: context.env,
      report: context.report,
      signal: context.signal,
    });
    return { value: result, text: gcLines(result, olderThanMs).join('\n') };
  },
});

/** `dv gc --remote`. @param name empty for the default remote. */
async function collectOnRemote(
  options: { yes: boolean; force: boolean; grace: string | undefined; 'skip-broken': boolean },
  name: string,
  context: Context,
): Promise<CommandResult> {
  const repo = context.repo();
  if (options.force)
    throw new DvError('usage', {
      message: '--force is for the cache, not for --remote',
      hint: 'dv gc --help',
    });
  const graceMs = ageOption('grace', options.grace, repo.config.gc.remoteGraceMs);
  const remote = await context.openRemote(name === '' ? undefined : name);
  try {
    const { remoteGc } = await import('../../core/ops/remote-gc.ts');
    const { report, signal, env } = context;
    const result = await remoteGc(repo, remote, {
      ...{ graceMs, report, signal, env, apply: options.yes, skipBroken: options['skip-broken'] },
    });
    return { value: result, text: remoteGcLines(result, graceMs).join('\n') };
  } finally {
    await remote.close();
  }
}
