import { checkout } from '../../core/ops/checkout.ts';
import { defineCommand } from '../command.ts';
import { checkoutExit, checkoutLines } from '../report/checkout-words.ts';
import { isAtTop, selectPaths, trackedPaths } from '../tracked-paths.ts';

export const command = defineCommand<{ paths: string[]; force: boolean }>({
  usage: 'checkout [paths..]',
  summary: 'make the workspace what the pointers say',
  examples: [
    ['dv checkout', 'brings back deleted files, follows pointers that changed, keeps your edits'],
    ['dv checkout data/train --force', 'replaces your edits too, after saving them into the cache'],
  ],
  exits: [3, 4, 10, 11, 12],
  options: (yargs) =>
    yargs.positional('paths', trackedPaths).option('force', {
      describe: 'replace local changes, saving them first',
      type: 'boolean',
      default: false,
    }),
  async run({ paths, force }, context) {
    const repo = context.repo();
    const result = await checkout(repo, {
      ...selectPaths(repo, context.cwd, paths),
      force,
      complete: true,
      report: context.report,
      signal: context.signal,
    });
    const lines = checkoutLines(result, { atTop: isAtTop(repo, context.cwd), force });
    return {
      value: result,
      text: lines.length > 0 ? lines.join('\n') : 'everything is as its pointers say',
      exit: checkoutExit(result),
    };
  },
});
