/** Words of the command line → options of one command, by way of yargs. */

import yargs from 'yargs';
import { DvError } from '../core/errors.ts';
import type { AnyCommand } from './command.ts';
import { commonExits, exitMeanings } from './exit.ts';
import { tailPattern } from './simple-line.ts';
import { nearest } from './suggest.ts';

/** Options every command has. */
export interface GlobalOptions {
  /** `-C`: where to stand. */
  readonly directory: string | undefined;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
  /** `-j`: how many things to do at once. */
  readonly jobs: number | undefined;
}

/** A command line that was understood. */
export interface Parsed {
  /** What the command declared; goes to its `run`. */
  readonly options: object;
  readonly globals: GlobalOptions;
}

/** The heading of the global options in help. */
const everywhere = 'Everywhere:';

/** How wide help is at most, in columns. */
const helpColumns = 100;

const usageError = (message: string, hint?: string) =>
  new DvError('usage', { message, ...(hint === undefined ? {} : { hint }) });

function buildParser(name: string, command: AnyCommand) {
  return yargs([])
    .scriptName(`dv ${name}`)
    .locale('en')
    .exitProcess(false)
    .help(false)
    .version(false)
    .strict()
    .parserConfiguration({ 'boolean-negation': false })
    .fail((message, error) => {
      // yargs gives an error for what threw, and only a message for arguments that do not fit.
      if (error && error.name !== 'YError') throw error;
      throw usageError(message ?? error.message, `dv ${name} --help`);
    })
    .command(command.usage.replace(/^\S+/, '$0').replace(tailPattern, ''), command.summary, (parser) =>
      command.options(parser),
    )
    .option('C', { describe: 'run as if started in DIR', type: 'string', requiresArg: true })
    .option('jobs', {
      alias: 'j',
      describe: 'how many things to do at once',
      type: 'number',
      requiresArg: true,
    })
    .option('quiet', { alias: 'q', describe: 'say only what is wrong', type: 'boolean' })
    .option('verbose', { alias: 'v', describe: 'say more about failures', type: 'boolean' })
    .option('json', { describe: 'result as JSON, events as JSON lines on standard error', type: 'boolean' })
    .option('help', { alias: 'h', describe: 'this text', type: 'boolean' })
    .group(['C', 'jobs', 'quiet', 'verbose', 'json', 'help'], everywhere);
}

/**
 * Reads a command's arguments, global options among them.
 * @throws {DvError} usage
 */
export async function parseArguments(
  name: string,
  command: AnyCommand,
  args: readonly string[],
): Promise<Parsed> {
  const split = args.indexOf('--');
  const front = split === -1 ? args : args.slice(0, split);
  const tail = split === -1 ? [] : args.slice(split + 1);
  const keepsTail = tailPattern.test(command.usage);
  // yargs would not count what stands behind `--` as positional arguments: it gets names no option can have,
  // and what was typed comes back in their place.
  const stand = (index: number) => `\0${index}\0`;
  const words = keepsTail ? front : [...front, ...tail.map((_, index) => stand(index))];
  let parsed: Record<string, unknown>;
  try {
    parsed = await buildParser(name, command).parseAsync(words);
  } catch (error) {
    if (!(error instanceof DvError && error.code === 'usage')) throw error;
    const restored = error.message.replace(/\0(\d+)\0/g, (_, index: string) => tail[Number(index)]!);
    throw await explain(name, command, restored, error.hint, args);
  }
  const restore = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(restore);
    const index = typeof value === 'string' ? /^\0(\d+)\0$/.exec(value)?.[1] : undefined;
    return index === undefined ? value : tail[Number(index)];
  };
  const options = Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, restore(value)]));
  return {
    options: keepsTail ? { ...options, '--': tail } : options,
    globals: checkGlobals(name, parsed),
  };
}

function checkGlobals(name: string, parsed: Record<string, unknown>): GlobalOptions {
  const { jobs, C } = parsed;
  const twice = Object.entries({ '-C': C, '--jobs': jobs }).find(([, value]) => Array.isArray(value));
  if (twice) throw usageError(`${twice[0]} is given twice`, `dv ${name} --help`);
  if (jobs !== undefined && !(typeof jobs === 'number' && Number.isSafeInteger(jobs) && jobs >= 1)) {
    throw usageError('--jobs: expected a whole number from 1', `dv ${name} --help`);
  }
  return {
    directory: typeof C === 'string' ? C : undefined,
    quiet: parsed.quiet === true,
    verbose: parsed.verbose === true,
    json: parsed.json === true,
    jobs,
  };
}

/** Turns yargs' words for unknown arguments into ours, with a guess at what was meant. */
async function explain(
  name: string,
  command: AnyCommand,
  message: string,
  hint: string | undefined,
  args: readonly string[],
): Promise<DvError> {
  const unknown = /^Unknown arguments?: (.*)$/s.exec(message)?.[1];
  if (/^Not enough non-option arguments/.test(message))
    return usageError(`${name}: something is missing: dv ${command.usage}`, hint);
  const choice = /Argument: (\S+), Given: (.*), Choices: (.*)$/.exec(message);
  if (choice !== null)
    return usageError(`${name}: ${choice[1]} is ${choice[2]}; expected one of ${choice[3]}`, hint);
  if (unknown === undefined) return usageError(`${name}: ${lowerFirst(message)}`, hint);
  // yargs names an option in camel case too; what was typed is what the user knows.
  const typed = unknown
    .split(', ')
    .find((word) => args.some((arg) => arg.replace(/^-+/, '').startsWith(word)));
  const word = typed ?? unknown;
  const argument = args.find((arg) => arg.replace(/^-+/, '').startsWith(word)) ?? word;
  if (!argument.startsWith('-')) return usageError(`${name}: unexpected argument ${argument}`, hint);
  const known = [...(await buildParser(name, command).getHelp()).matchAll(/(?<=\s|^)--([a-z][a-z-]*)/g)].map(
    (match) => match[1]!,
  );
  const guess = word.length > 1 ? nearest(word, known) : undefined;
  return usageError(
    `${name}: unknown option ${word.length > 1 ? '--' : '-'}${word}`,
    guess === undefined ? hint : `did you mean --${guess}?`,
  );
}

const lowerFirst = (text: string) => text.slice(0, 1).toLowerCase() + text.slice(1);

/** The text of `dv <name> --help`: usage, options, examples, exit statuses. */
export async function commandHelp(name: string, command: AnyCommand, columns?: number): Promise<string> {
  const exits = [...new Set([...commonExits, ...command.exits])].sort((a, b) => a - b);
  const parser = buildParser(name, command)
    .usage(`dv ${command.usage}\n\n${command.summary}`)
    .wrap(Math.min(helpColumns, columns ?? helpColumns))
    .epilogue(
      `Exit status:\n${exits.map((status) => `  ${String(status).padEnd(5)}${exitMeanings[status]}`).join('\n')}`,
    );
  for (const [line, meaning] of command.examples) parser.example(line, meaning);
  // yargs puts named groups first; a command's own options matter more.
  const sections = (await parser.getHelp()).trimEnd().split('\n\n');
  const shared = sections.filter((section) => section.startsWith(everywhere));
  const own = sections.filter((section) => !section.startsWith(everywhere));
  const tail = own.findIndex((section) => /^(Examples|Exit status):/.test(section));
  return [...own.slice(0, tail), ...shared, ...own.slice(tail)].join('\n\n');
}
