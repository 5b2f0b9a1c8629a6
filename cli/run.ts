/** One command line from its words to its output: finds the command, parses, runs, prints. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { DvError } from '../core/errors.ts';
import { createContext } from './context.ts';
import { describeFailure, signalStatus } from './exit.ts';
import { completionWords, helpFor, loadCommand, overview, version } from './help.ts';
import { clean } from './report/clean.ts';
import { jsonReporter } from './report/json.ts';
import { plainReporter } from './report/plain.ts';
import { parseSimpleLine } from './simple-line.ts';
import type { Terminal } from './terminal.ts';

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
    terminal.writeOut(`${await general(name, args)}\n`);
    return 0;
  }
  if (has(args, '--help', '-h')) {
    terminal.writeOut(`${await helpFor(name)}\n`);
    return 0;
  }
  const command = await loadCommand(name);
  const { options, globals } =
    parseSimpleLine(command, args) ??
    (await (await import('./arguments.ts')).parseArguments(name, command, args));

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
    talkative: !globals.json && !globals.quiet,
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

/** What `dv` says without a command: help, or its version. @throws {DvError} usage */
async function general(name: string | undefined, args: readonly string[]): Promise<string> {
  if (name === 'help') {
    const topic = splitCommandLine(args).name;
    if (has(args, '--words')) return (await completionWords(topic)).join('\n');
    return topic === undefined ? overview() : helpFor(topic);
  }
  if (has(args, '--version')) return `dv ${version()}`;
  if (has(args, '--help', '-h')) return overview();
  const option = args.find((arg) => arg.startsWith('-'));
  throw new DvError('usage', {
    message: option === undefined ? 'which command?' : `which command? There is only ${option}`,
    hint: 'dv --help',
  });
}

/** The folder `-C` names. @throws {DvError} usage */
function requireFolder(cwd: string, typed: string): string {
  const directory = resolve(cwd, typed);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return directory;
  throw new DvError('usage', { message: `-C ${typed}: there is no such folder` });
}
