import * as v from 'valibot';
import { DvError } from '../../core/errors.ts';
import { type RunStep, StepError } from '../../core/model/step.ts';
import { type StepName, steps } from '../../core/model/steps.ts';
import { describeIssue } from '../../core/pipeline/stages-schema.ts';
import { defineCommand } from '../command.ts';
import { clean } from '../report/clean.ts';

/** The programs, loaded when run: each brings its own heavy libraries. */
const programs = {
  convert: () => import('../../core/steps/convert.ts'),
  extract: () => import('../../core/steps/extract.ts'),
  augment: () => import('../../core/steps/augment.ts'),
  train: () => import('../../core/steps/train.ts'),
  evaluate: () => import('../../core/steps/evaluate.ts'),
} satisfies Record<StepName, () => Promise<{ run: unknown }>>;

/** The step's arguments, from JSON, checked and complete. @throws {DvError} usage with every problem */
function parseArguments(name: StepName, text: string): unknown {
  const hint = `dv step ${name} --help`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DvError(
      'usage',
      { message: `--with is not JSON: ${(error as Error).message}`, hint },
      { cause: error },
    );
  }
  const checked = v.safeParse(steps[name].schema as v.GenericSchema, value);
  if (checked.success) return checked.output;
  const problems = checked.issues.map((issue) => {
    const at = issue.path?.map((item) => String(item.key)).join('.');
    return `--with${at ? ` ${at}` : ''}: ${describeIssue(issue)}`;
  });
  const known = Object.keys(steps[name].schema.entries).join(', ');
  throw new DvError('usage', {
    message: `${name}: ${problems.join('\n')}`,
    hint: `${name} takes ${known}`,
  });
}

function listSteps() {
  const list = Object.values(steps).map(({ name, version, summary, schema }) => ({
    name,
    version,
    summary,
    arguments: Object.keys(schema.entries),
  }));
  const lines = list.flatMap(({ name, summary, arguments: args }) => [
    `${name.padEnd(10)}${summary}`,
    `${' '.repeat(10)}--with ${args.join(', ')}`,
  ]);
  return { value: { steps: list }, text: lines.join('\n') };
}

export const command = defineCommand<{ name: string | undefined; with: string }>({
  usage: 'step [name]',
  summary: 'run one built-in step by hand, or list them',
  examples: [
    ['dv step', 'lists the steps and their arguments'],
    [`dv step convert --with '{"from":"data/raw","to":"build/records"}'`, 'runs one, as a stage would'],
  ],
  exits: [],
  options: (yargs) =>
    yargs.positional('name', { describe: 'the step', type: 'string' }).option('with', {
      describe: 'its arguments, as JSON',
      type: 'string',
      default: '{}',
      requiresArg: true,
    }),
  async run({ name, with: text }, context) {
    if (name === undefined) return listSteps();
    if (!Object.hasOwn(steps, name)) {
      throw new DvError('usage', {
        message: `there is no step ${JSON.stringify(name)}`,
        hint: `the steps are ${Object.keys(steps).join(', ')}`,
      });
    }
    const step = name as StepName;
    const args = parseArguments(step, text);
    const startedMs = performance.now();
    // Which program takes which arguments is what the declarations say; the checked ones fit.
    const { run } = (await programs[step]()) as { run: RunStep<unknown> };
    try {
      await run(args, {
        directory: context.cwd,
        signal: context.signal,
        threads: context.jobs,
        log: (line) => void process.stderr.write(`${clean(line)}\n`),
      });
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      throw new DvError(
        'step-failed',
        { step, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) },
        { cause: error },
      );
    }
    return { value: { step, seconds: (performance.now() - startedMs) / 1000 }, text: '' };
  },
});
