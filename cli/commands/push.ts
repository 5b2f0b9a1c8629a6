import { push } from '../../core/ops/push.ts';
import { defineCommand } from '../command.ts';
import { countOf, formatBytes } from '../report/words.ts';

export const command = defineCommand<{
  remote: string | undefined;
  rev: string[];
  all: boolean;
  'dry-run': boolean;
}>({
  usage: 'push',
  summary: 'send data to the remote',
  examples: [
    ['dv push', 'sends what the workspace and HEAD point at and the remote does not hold'],
    ['dv push --rev data/v1 --rev v1.0', 'sends the data of a branch and a tag'],
    ['dv push --all --dry-run', 'says what all branches and tags would send'],
  ],
  exits: [10, 12, 13, 14],
  options: (yargs) =>
    yargs
      .option('remote', { describe: 'which remote, if not the default', type: 'string', requiresArg: true })
      .option('rev', {
        describe: 'a revision whose data to send; may be repeated',
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
      })
      .option('all', { describe: 'the data of all branches and tags', type: 'boolean', default: false })
      .option('dry-run', { describe: 'only say what would be sent', type: 'boolean', default: false }),
  async run({ remote: name, rev, all, 'dry-run': dryRun }, context) {
    const repo = context.repo();
    const remote = await context.openRemote(name);
    try {
      const result = await push(repo, remote, {
        ...(rev.length > 0 || all ? { select: { workspace: false, revisions: rev, all } } : {}),
        dryRun,
        report: context.report,
        signal: context.signal,
      });
      const files = `${countOf(result.files, 'file')} (${formatBytes(result.bytes)})`;
      const packs = result.packs > 0 ? ` in ${countOf(result.packs, 'pack')}` : '';
      return {
        value: result,
        text: result.upToDate
          ? `everything is on ${result.remote} already`
          : `${dryRun ? 'would push' : 'pushed'} ${files}${packs} to ${result.remote}`,
      };
    } finally {
      await remote.close();
    }
  },
});
