import { type ChangedDep, type WhyResult, why } from '../../core/ops/repro-why.ts';
import { defineCommand } from '../command.ts';
import { describeChanges } from '../report/words.ts';

/** At most this many files of one dep are named. */
const mostFiles = 10;

const stateWords: Readonly<Record<WhyResult['state'], string>> = {
  fresh: 'is up to date',
  stale: 'is stale',
  'never-run': 'was never run',
  frozen: 'is frozen: it is never run',
};

function describeDep({ path, added, modified, deleted }: ChangedDep): string[] {
  const counts = { added: added.length, modified: modified.length, deleted: deleted.length };
  const files = [
    ...added.map((file) => `+ ${file}`),
    ...deleted.map((file) => `- ${file}`),
    ...modified.map((file) => `~ ${file}`),
  ];
  const more = files.length > mostFiles ? [`    … and ${files.length - mostFiles} more`] : [];
  return [
    `  ${path}: ${describeChanges(counts)}`,
    ...files.slice(0, mostFiles).map((file) => `    ${file}`),
    ...more,
  ];
}

export const command = defineCommand<{ stage: string }>({
  usage: 'why <stage>',
  summary: 'say what made a stage stale, down to the files',
  examples: [['dv why train', 'what would make dv repro run train, and when it last ran']],
  exits: [3, 10],
  options: (yargs) =>
    yargs.positional('stage', { describe: 'the stage', type: 'string', demandOption: true }),
  async run({ stage }, context) {
    const result = await why(context.repo(), stage, {
      env: context.env,
      report: context.report,
      signal: context.signal,
    });
    const { name, state, command, reasons, changes, upstream, lastRun } = result;
    const lines = [
      `${name} ${stateWords[state]}  (${command.split('\n')[0]})`,
      ...reasons.filter((reason) => reason !== 'never run').map((reason) => `  ${reason}`),
      ...changes.flatMap(describeDep),
    ];
    if (upstream.length > 0)
      lines.push(`before it: ${upstream.map((other) => `${other.name} (${other.state})`).join(', ')}`);
    if (lastRun !== null)
      lines.push(`last run: ${lastRun.finished} on ${lastRun.host}, ${lastRun.seconds.toFixed(1)} s`);
    return { value: result, text: lines.join('\n') };
  },
});
