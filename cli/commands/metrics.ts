/** `dv metrics show|diff`: metrics of any number of revisions side by side; nothing is checked out. */
import { defineCommand } from '../command.ts';
import { type CompareOptions, compareOptions, runComparison } from '../report/compare-command.ts';

export const command = defineCommand<CompareOptions>({
  usage: 'metrics <action> [revs..]',
  summary: 'show or compare the metrics of any number of revisions',
  examples: [
    ['dv metrics diff', 'what changed in the workspace since the last commit'],
    ['dv metrics diff main data/v2', 'two branches; on a terminal this opens the view'],
    ['dv metrics diff --all-branches', 'every branch that has metrics, measured by main'],
    ["dv metrics diff --glob 'data/*' --md", 'branches by name, as Markdown for a pull request'],
    ['dv metrics show v1.0', 'the metrics of one tag'],
  ],
  exits: [10],
  options: (yargs) => compareOptions(yargs, 'metrics'),
  run: (options, context) => runComparison('metrics', options, context),
});
