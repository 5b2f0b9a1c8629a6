/** `dv params show|diff`: parameters (params.yaml) of any number of revisions side by side; nothing is checked out. */
import { defineCommand } from '../command.ts';
import { type CompareOptions, compareOptions, runComparison } from '../report/compare-command.ts';

export const command = defineCommand<CompareOptions>({
  usage: 'params <action> [revs..]',
  summary: 'show or compare the parameters of any number of revisions',
  examples: [
    ['dv params diff', 'what changed in params.yaml since the last commit'],
    ['dv params diff main data/v2', 'two branches'],
    ['dv params diff --all-branches', 'every branch, measured by main'],
  ],
  exits: [10],
  options: (yargs) => compareOptions(yargs, 'params'),
  run: (options, context) => runComparison('params', options, context),
});
