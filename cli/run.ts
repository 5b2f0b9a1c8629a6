/** One command line from its words to its output: finds the command, parses, runs, prints. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { DvError } from '../core/errors.ts';
import type { AnyCommand } from './command.ts';
import { commands } from './commands/index.ts';
import { createContext } from './context.ts';
import { describeFailure, exitMeanings, signalStatus } from './exit.ts';
import { clean } from './report/clean.ts';
import { jsonReporter } from './report/json.ts';
import { plainReporter } from './report/plain.ts';
import { nearest } from './suggest.ts';

/** What the program is connected to. */
export interface Terminal {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by the first SIGINT or SIGTERM; the reason is the signal's name. */
  readonly signal: AbortSignal;
  readonly stdoutIsTerminal: boolean;
  /** Width of standard error when it is a terminal. */
  readonly stderrColumns: number | undefined;
  writeOut(text: string): void;
  writeError(text: string): void;
}

/** A command line cut at its command's name. */
interface Words {
  readonly name: string | undefined;
  /** Everything but the name. */
  readonly args: readonly string[];
}

/** Finds the first word that is neither an option nor the value of one. */
export function splitCommandLine(argv: readonly string[]): Words {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '-C' || word === '-j' || word === '--jobs') at++;
    else if (!word.startsWith('-'))
      return { name: word, args: [...argv.slice(0, at), ...argv.slice(at + 1)] };
  }
  return { name: undefined, args: argv };
}

const has = (args: readonly string[], ...names: string[]) => {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? undefined : end).some((arg) => names.includes(arg));
};

/**
 * Runs one command line and gives back its exit status. Prints its result or its failure; never throws.
 * @param argv the words behind `dv`.
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  // Known before anything is parsed, so that a failure to parse is told the same way.
  const json = has(argv, '--json');
  const verbose = has(argv, '-v', '--verbose');
  try {
    return await runWords(splitCommandLine(argv), terminal);
  } catch (error) {
    if (terminal.signal.aborted && isAbort(error, terminal.signal)) {
      if (!json) terminal.writeError('dv: interrupted\n');
    } else {
      const failure = describeFailure(error, { verbose });
      terminal.writeError(`${json ? JSON.stringify(failure.document) : failure.text}\n`);
      if (!terminal.signal.aborted) return failure.status;
    }
    return signalStatus(terminal.signal.reason as NodeJS.Signals);
  }
}

const isAbort = (error: unknown, signal: AbortSignal) =>
  error === signal.reason || (error instanceof Error && error.name === 'AbortError');

async function runWords({ name, args }: Words, terminal: Terminal): Promise<number> {
  if (name === undefined || name === 'help') {
    const topic = name === 'help' ? splitCommandLine(args).name : undefined;
    if (topic !== undefined) return printHelp(topic, terminal);
    if (name === undefined && has(args, '--version')) {
      terminal.writeOut(`dv ${version()}\n`);
      return 0;
    }
    if (name === 'help' || has(args, '--help', '-h')) {
      terminal.writeOut(`${overview()}\n`);
      return 0;
    }
    const option = args.find((arg) => arg.startsWith('-'));
    throw new DvError('usage', {
      message: option === undefined ? 'which command?' : `which command? There is only ${option}`,
      hint: 'dv --help',
    });
  }
  if (has(args, '--help', '-h')) return printHelp(name, terminal);
  const command = await load(name);
  const { parseArguments } = await import('./arguments.ts');
  const { options, globals } = await parseArguments(name, command, args);

  const reporter = globals.json
    ? jsonReporter(terminal.writeError)
    : plainReporter({
        write: terminal.writeError,
        columns: terminal.stderrColumns,
        quiet: globals.quiet,
      });
  const context = createContext({
    cwd: globals.directory === undefined ? terminal.cwd : requireFolder(terminal.cwd, globals.directory),
    env: terminal.env,
    report: (event) => reporter.report(event),
    signal: terminal.signal,
    interactive: terminal.stdoutIsTerminal && !globals.json && !globals.quiet,
    jobs: globals.jobs,
  });
  try {
    const result = await command.run(options, context);
    reporter.close();
    if (globals.json) terminal.writeOut(`${JSON.stringify(result.value)}\n`);
    else if (result.text !== '' && !globals.quiet) terminal.writeOut(`${clean(result.text)}\n`);
    return result.exit ?? 0;
  } finally {
    reporter.close();
  }
}

/** The folder `-C` names. @throws {DvError} usage */
function requireFolder(cwd: string, typed: string): string {
  const directory = resolve(cwd, typed);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return directory;
  throw new DvError('usage', { message: `-C ${typed}: there is no such folder` });
}

async function load(name: string): Promise<AnyCommand> {
  const entry = commands.get(name);
  if (entry === undefined) {
    const guess = nearest(name, commands.keys());
    throw new DvError('usage', {
      message: `dv has no command ${JSON.stringify(name)}`,
      hint: guess === undefined ? 'dv --help' : `did you mean dv ${guess}?`,
    });
  }
  return (await entry.load()).command;
}

async function printHelp(name: string, terminal: Terminal): Promise<number> {
  const command = await load(name);
  const { commandHelp } = await import('./arguments.ts');
  terminal.writeOut(`${await commandHelp(name, command, process.stdout.columns)}\n`);
  return 0;
}

/** The version of the installed package. */
export function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The text of `dv --help`; loads no command. */
function overview(): string {
  const groups = new Map<string, string[]>();
  const width = Math.max(...[...commands.keys()].map((name) => name.length)) + 2;
  for (const [name, { group, summary }] of commands) {
    const lines = groups.get(group) ?? [];
    lines.push(`  ${name.padEnd(width)}${summary}`);
    groups.set(group, lines);
  }
  const statuses = Object.entries(exitMeanings).map(
    ([status, meaning]) => `  ${status.padStart(3)}  ${meaning}`,
  );
  return [
    'dv [-C DIR] [-q] [-v] [--json] [-j N] COMMAND …',
    '',
    'Data version control for git: git keeps small pointers, dv keeps the bytes.',
    ...[...groups].flatMap(([group, lines]) => ['', `${group}:`, ...lines]),
    '',
    'dv COMMAND --help tells more. `git dv COMMAND` is the same.',
    '',
    'Exit status:',
    ...statuses,
  ].join('\n');
}
