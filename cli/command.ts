/** What a command of dv is: a yargs module whose handler returns a result and prints nothing. */
import type { Argv } from 'yargs';
import type { Context } from './context.ts';

/** What a command gives back to be printed. */
export interface CommandResult {
  /** The document `--json` prints; its shape is part of the interface (docs/json.md). */
  readonly value: unknown;
  /** What a person reads on standard output, without a final newline; empty prints nothing. */
  readonly text: string;
  /** Exit status when it is not 0, e.g. 4 for `status --check` that found differences. */
  readonly exit?: number;
}

/** A command. */
export interface Command<Options = unknown> {
  /** Name and positional arguments as yargs writes them, e.g. `add <paths..>`. */
  readonly usage: string;
  /** One line for `dv --help`. */
  readonly summary: string;
  /** Pairs of command line and what it does, for `--help`. */
  readonly examples: readonly (readonly [string, string])[];
  /** Exit statuses this command can give besides 0, 1, 2 and 70. */
  readonly exits: readonly number[];
  /** Declares positional arguments and options. */
  options(yargs: Argv): Argv<Options>;
  /** Does the work: a call to one op of core, and words for its result. */
  run(options: Options, context: Context): Promise<CommandResult>;
}

/** Gives a command its types. */
export function defineCommand<Options>(command: Command<Options>): Command<Options> {
  return command;
}

/** A command whose options are checked by its own declaration, as the list of commands sees it. */
export type AnyCommand = Command<object>;
