/** What `dv metrics` and `dv params` share: options, the comparison, and the form it is printed in. */
import type { Argv } from 'yargs';
import { DvError } from '../../core/errors.ts';
import {
  compareRevisions,
  type Selection,
  showRevisions,
  withParams,
} from '../../core/metrics/compare-revisions.ts';
import type { Kind } from '../../core/metrics/metric-files.ts';
import type { Table } from '../../core/metrics/table.ts';
import { openHistory } from '../../core/store/history.ts';
import type { CommandResult } from '../command.ts';
import type { Context } from '../context.ts';
import { csvTable, markdownTable, plainTable, sentenceFor, textsOf } from './metrics-table.ts';
import { loadMeasure } from './width.ts';
import { countOf } from './words.ts';

/** The options of both commands. */
export interface CompareOptions {
  readonly action: 'show' | 'diff';
  readonly revs: string[];
  readonly 'all-branches': boolean;
  readonly glob: string | undefined;
  readonly baseline: string | undefined;
  readonly md: boolean;
  readonly csv: boolean;
  readonly plain: boolean;
  readonly all: boolean;
}

/** Declares the options. */
export function compareOptions(yargs: Argv, kind: Kind): Argv<CompareOptions> {
  return yargs
    .positional('action', {
      describe: `show: the ${kind} as they are; diff: compared with the baseline`,
      choices: ['show', 'diff'] as const,
      demandOption: true,
    })
    .positional('revs', {
      describe:
        'branches, tags, commits, ranges A..B, or the word workspace; none: HEAD and the workspace; one: it and the workspace',
      type: 'string',
      array: true,
      default: [] as string[],
    })
    .option('all-branches', {
      describe: `every branch that has ${kind}, those of remotes too`,
      type: 'boolean',
      default: false,
    })
    .option('glob', { describe: "only branches like this, e.g. 'data/*'", type: 'string', requiresArg: true })
    .option('baseline', {
      describe: 'the revision the others are measured by',
      type: 'string',
      requiresArg: true,
    })
    .option('md', { describe: 'print Markdown', type: 'boolean', default: false })
    .option('csv', { describe: 'print CSV with full precision', type: 'boolean', default: false })
    .option('plain', { describe: 'print text, also on a terminal', type: 'boolean', default: false })
    .option('all', { describe: 'also rows that are equal everywhere', type: 'boolean', default: false });
}

/** What yargs lets through. @throws {DvError} usage */
function check(kind: Kind, options: CompareOptions): void {
  const fail = (message: string) => {
    throw new DvError('usage', { message: `${kind}: ${message}`, hint: `dv ${kind} --help` });
  };
  if (options.md && options.csv) fail('one of --md and --csv');
  for (const name of ['glob', 'baseline'] as const) {
    if (Array.isArray(options[name])) fail(`--${name} is given twice`);
  }
}

/** Reads the revisions and prints, or on a terminal opens, their table. */
export async function runComparison(
  kind: Kind,
  options: CompareOptions,
  context: Context,
): Promise<CommandResult> {
  check(kind, options);
  const repo = context.repo();
  const selection: Selection = {
    revisions: options.revs,
    allBranches: options['all-branches'],
    ...(options.glob === undefined ? {} : { glob: options.glob }),
    ...(options.baseline === undefined ? {} : { baseline: options.baseline }),
  };
  await using history = await openHistory(repo);
  const compare = options.action === 'diff';
  const table = await (compare ? compareRevisions : showRevisions)(repo, history, kind, selection);
  for (const message of problemLines(table)) context.report({ type: 'warning', message });
  const print = { all: options.all || !compare, compare };
  if (compare && opensView(table, options, context)) {
    const { openView } = await import('../tui/view.tsx');
    await openView({
      table: kind === 'metrics' ? await withParams(repo, history, table) : table,
      title: `dv ${kind} diff`,
      changedOnly: !options.all,
      colour: !context.env.NO_COLOR,
      stdin: process.stdin,
      stdout: process.stdout,
      signal: context.signal,
    });
    return { value: table, text: '' };
  }
  if (options.md) return { value: table, text: markdownTable(table, print) };
  if (options.csv) return { value: table, text: csvTable(table, print) };
  return { value: table, text: await plainText(kind, table, print) };
}

/** What could not be read, the first few in full. */
function problemLines({ problems }: Table): string[] {
  const most = 5;
  const lines = problems
    .slice(0, most)
    .map(({ revision, file, message }) =>
      message.startsWith(`${file}:`) ? `${revision}: ${message}` : `${revision}: ${file}: ${message}`,
    );
  const more = problems.length - most;
  return more > 0 ? [...lines, `${countOf(more, 'more file')} could not be read (--json names them)`] : lines;
}

/** Whether a person looks at a terminal, and there is something to look at. */
function opensView(table: Table, options: CompareOptions, { env, interactive }: Context): boolean {
  const isPrinted = options.plain || options.md || options.csv;
  const isTerminal = interactive && process.stdin.isTTY === true && env.TERM !== 'dumb' && !env.CI;
  return isTerminal && !isPrinted && table.revs.length > 1 && table.rows.length > 0;
}

async function plainText(
  kind: Kind,
  table: Table,
  print: { all: boolean; compare: boolean },
): Promise<string> {
  const sentence = print.compare || table.rows.length === 0 ? sentenceFor(table, kind) : undefined;
  if (sentence !== undefined && (!print.all || table.rows.length === 0)) return sentence;
  const text = plainTable(table, {
    ...print,
    now: new Date(),
    measure: await loadMeasure(textsOf(table)),
    ...(process.stdout.isTTY ? { width: process.stdout.columns } : {}),
  });
  return sentence === undefined ? text : `${text}\n\n${sentence}`;
}
