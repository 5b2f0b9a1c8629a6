import { DvError } from '../../core/errors.ts';
import type { RepoPath } from '../../core/model/repo-path.ts';
import { checkout } from '../../core/ops/checkout.ts';
import { type CommandResult, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { checkoutExit, checkoutLines } from '../report/checkout-words.ts';
import { countOf, failureLines, pathLines } from '../report/words.ts';
import { isAtTop, selectPaths, trackedPaths } from '../tracked-paths.ts';

/** `--ours` and `--theirs`. */
async function choose(
  context: Context,
  options: { paths: string[]; force: boolean; side: 'ours' | 'theirs' },
): Promise<CommandResult> {
  const repo = context.repo();
  if (options.paths.length === 0) {
    throw new DvError('usage', {
      message: `--${options.side} needs the paths to take`,
      hint: 'dv status names what is in conflict',
    });
  }
  // Everything is what lies below the top.
  const { paths = ['' as RepoPath] } = selectPaths(repo, context.cwd, options.paths);
  const { takeSide } = await import('../../core/ops/take-side.ts');
  const { report, signal } = context;
  const result = await takeSide(repo, { ...options, paths, report, signal });
  return {
    value: result,
    text: [
      ...pathLines(`${options.side}:`, result.taken),
      ...checkoutLines(result, { atTop: isAtTop(repo, context.cwd), force: options.force }),
    ].join('\n'),
    exit: checkoutExit(result),
  };
}

/** `--copy`. */
async function copy(context: Context, typed: string[]): Promise<CommandResult> {
  const repo = context.repo();
  if (typed.length === 0) {
    throw new DvError('usage', {
      message: '--copy needs the files or folders you mean to edit',
      hint: 'dv checkout --copy data/train/1.png, or . for everything',
    });
  }
  const { paths = ['' as RepoPath] } = selectPaths(repo, context.cwd, typed);
  const { copyOut } = await import('../../core/ops/checkout-copy.ts');
  const { report, signal } = context;
  const result = await copyOut(repo, paths, { report, signal });
  const done = result.copied + result.madeWritable;
  return {
    value: result,
    text: [
      done === 0 ? 'all are copies of their own' : `${countOf(done, 'file')} can be edited now`,
      ...failureLines('could not be copied', result.failures),
    ].join('\n'),
    exit: result.failures.length > 0 ? 3 : 0,
  };
}

interface CheckoutArguments {
  paths: string[];
  force: boolean;
  copy: boolean;
  ours: boolean;
  theirs: boolean;
}

export const command = defineCommand<CheckoutArguments>({
  usage: 'checkout [paths..]',
  summary: 'make the workspace what the pointers say',
  examples: [
    ['dv checkout', 'brings back deleted files, follows pointers that changed, keeps your edits'],
    ['dv checkout data/train --force', 'replaces your edits too, after saving them into the cache'],
    [
      'dv checkout --copy data/train/1.png',
      'with hard or symbolic links: makes it a copy that can be edited',
    ],
    ['dv checkout --theirs data/train/1.png', 'after a merge: takes their version of a file in conflict'],
  ],
  exits: [3, 4, 10, 11, 12],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('force', {
        describe: 'replace local changes, saving them first',
        type: 'boolean',
        default: false,
      })
      .option('copy', {
        describe: 'make these files copies that can be edited, where they are links to the cache',
        type: 'boolean',
        default: false,
      })
      .option('ours', {
        describe: 'take our version of what is in conflict',
        type: 'boolean',
        default: false,
      })
      .option('theirs', {
        describe: 'take their version of what is in conflict',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, force, copy: asCopies, ours, theirs }, context) {
    if (asCopies) {
      if (force || ours || theirs) throw new DvError('usage', { message: '--copy stands alone' });
      return copy(context, paths);
    }
    const repo = context.repo();
    if (ours || theirs) {
      if (ours && theirs) throw new DvError('usage', { message: 'either --ours or --theirs' });
      return choose(context, { paths, force, side: ours ? 'ours' : 'theirs' });
    }
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
