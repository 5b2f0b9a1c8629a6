import { DvError } from '../../core/errors.ts';
import { verify } from '../../core/ops/verify.ts';
import { defineCommand } from '../command.ts';
import { allRemotes } from '../remotes.ts';
import { verifyExit, verifyLines, verifyRemoteExit, verifyRemoteLines } from '../report/verify-words.ts';
import { selectPaths, trackedPaths } from '../tracked-paths.ts';

export const command = defineCommand<{
  paths: string[];
  all: boolean;
  repair: boolean;
  remote: string | undefined;
  deep: boolean;
}>({
  usage: 'verify [paths..]',
  summary: 'read cached data again, name what is damaged or missing, and heal it',
  examples: [
    ['dv verify', 'reads everything the workspace’s pointers stand for'],
    ['dv verify --all', 'reads the whole cache, other revisions’ data too'],
    ['dv verify --remote --deep', 'downloads and hashes what HEAD and the workspace have on the remote'],
    ['dv verify --repair data/train', 'heals what is bad from the workspace or a remote'],
  ],
  exits: [3, 10, 11, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('all', {
        describe: 'every object of the cache; with --remote, the data of all branches and tags',
        type: 'boolean',
        default: false,
      })
      .option('remote', { describe: 'look at a remote instead, by name or the default one', type: 'string' })
      .option('deep', {
        describe: 'with --remote: download and hash everything, not only existence and sizes',
        type: 'boolean',
        default: false,
      })
      .option('repair', {
        describe:
          'replace what is bad by whole bytes, from the workspace or a remote; with --remote, from the cache',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, all, repair, remote: name, deep }, context) {
    const repo = context.repo();
    if (name !== undefined) {
      if (paths.length > 0)
        throw new DvError('usage', {
          message: 'paths cannot be chosen with --remote',
          hint: 'dv verify --help',
        });
      const remote = await context.openRemote(name === '' ? undefined : name);
      try {
        const { verifyRemote } = await import('../../core/ops/verify-remote.ts');
        const result = await verifyRemote(repo, remote, {
          ...(all ? { select: { workspace: true, revisions: [], all } } : {}),
          ...{ deep, repair, report: context.report, signal: context.signal },
        });
        return {
          value: result,
          text: verifyRemoteLines(result, { repair, deep }).join('\n'),
          exit: verifyRemoteExit(result),
        };
      } finally {
        await remote.close();
      }
    }
    if (deep) throw new DvError('usage', { message: '--deep is for --remote', hint: 'dv verify --help' });
    const result = await verify(repo, {
      ...selectPaths(repo, context.cwd, paths),
      all,
      repair,
      remotes: allRemotes(context),
      report: context.report,
      signal: context.signal,
    });
    return { value: result, text: verifyLines(result, repair).join('\n'), exit: verifyExit(result) };
  },
});
