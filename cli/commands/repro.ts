import { shellWord } from '../../core/model/shell.ts';
import { type DryStage, planDry, type ReproResult, repro } from '../../core/ops/repro.ts';
import { defineCommand } from '../command.ts';
import { launcher } from '../launcher.ts';

interface Options {
  stages: string[];
  force: boolean;
  dry: boolean;
  'keep-going': boolean;
  downstream: boolean;
  'no-run-cache': boolean;
}

/** The most important reasons on one line. */
function shortReasons(reasons: readonly string[]): string {
  const [first, second] = reasons;
  const more = reasons.length > 2 ? `; and ${reasons.length - 2} more (dv why)` : '';
  return [first, second].filter((reason) => reason !== undefined).join('; ') + more;
}

/** Rows of a table without borders; the last column is not padded. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]!.length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
      .join('   ')
      .trimEnd(),
  );
}

const secondsOf = (outcome: string, seconds: number) =>
  outcome === 'fresh' || outcome === 'skipped' ? '' : `${seconds.toFixed(1)} s`;

function describeResult({ stages, commit }: ReproResult): string {
  const lines = table(
    stages.map(({ name, outcome, seconds, reasons }) => [
      name,
      outcome,
      secondsOf(outcome, seconds).padStart(7),
      shortReasons(reasons),
    ]),
  );
  for (const { failure } of stages) {
    if (failure !== undefined)
      lines.push(`failed: ${failure.message}`, ...(failure.hint ? [`hint: ${failure.hint}`] : []));
  }
  if (commit.length > 0) lines.push(`to commit: git add ${commit.map(shellWord).join(' ')}`);
  return lines.length > 0 ? lines.join('\n') : 'stages.yaml has no stages';
}

const describeDry = (stages: readonly DryStage[]) =>
  table(stages.map(({ name, outcome, reasons }) => [name, outcome.replace('-', ' '), shortReasons(reasons)]));

export const command = defineCommand<Options>({
  usage: 'repro [stages..]',
  summary: 'bring stages up to date: run what changed, restore what was computed before',
  examples: [
    ['dv repro', 'all stages of stages.yaml, in the order they depend on each other'],
    ['dv repro train', 'the stage train and what it reads from'],
    ['dv repro --dry', 'says what would be done, and why'],
    ['dv repro -j 4 --keep-going', 'four stages at once; a failure stops only what depends on it'],
  ],
  exits: [3, 10, 11, 20],
  options: (yargs) =>
    yargs
      .positional('stages', {
        describe: 'stages to bring up to date; all by default',
        type: 'string',
        array: true,
        default: [],
      })
      .option('force', {
        describe: 'run them even if nothing changed',
        type: 'boolean',
        default: false,
      })
      .option('dry', { describe: 'change nothing, say what would be done', type: 'boolean', default: false })
      .option('keep-going', {
        describe: 'after a failure go on with what does not depend on it',
        type: 'boolean',
        default: false,
      })
      .option('downstream', {
        describe: 'also the stages that read from the named ones',
        type: 'boolean',
        default: false,
      })
      .option('no-run-cache', {
        describe: 'run instead of restoring what was computed before',
        type: 'boolean',
        default: false,
      }),
  async run(options, context) {
    const { stages, force, dry, downstream } = options;
    const reproOptions = {
      ...{ stages, force, downstream },
      keepGoing: options['keep-going'],
      noRunCache: options['no-run-cache'],
      jobs: context.jobs,
      env: context.env,
      dvCommand: [launcher.node, launcher.main] as const,
      report: context.report,
      signal: context.signal,
    };
    if (dry) {
      const planned = await planDry(context.repo(), reproOptions);
      return { value: { dry: true, stages: planned }, text: describeDry(planned).join('\n') };
    }
    const result = await repro(context.repo(), reproOptions);
    const failed = result.stages.some(({ outcome }) => outcome === 'failed');
    return { value: result, text: describeResult(result), ...(failed ? { exit: 20 } : {}) };
  },
});
