import { resolve } from 'node:path';
import { DvError } from '../../core/errors.ts';
import { ageForms, parseAge } from '../../core/model/age.ts';
import { gc } from '../../core/ops/gc.ts';
import { defineCommand } from '../command.ts';
import { allRemotes } from '../remotes.ts';
import { gcLines } from '../report/gc-words.ts';

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
  'skip-broken': boolean;
}>({
  usage: 'gc',
  summary: 'remove data that nothing needs any more, or say what would be removed',
  examples: [
    ['dv gc', 'says what keeps what, and what could go; removes nothing'],
    ['dv gc --yes', 'removes what no commit, branch, reflog, stash or worktree needs and a remote holds'],
    ['dv gc --yes --force --older-than 1d', 'removes also what exists nowhere else'],
  ],
  exits: [10, 11, 12],
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
      .option('skip-broken', {
        describe: 'go on past pointers in history that cannot be read, keeping the digests in them',
        type: 'boolean',
        default: false,
      }),
  async run(options, context) {
    const repo = context.repo();
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
