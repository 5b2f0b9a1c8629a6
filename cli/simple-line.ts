/**
 * Command lines that need no parser: plain words and on-off options written in full, which is most of what
 * people type. yargs takes 45 of the 155 ms of `dv status` to load and build; here the command's declarations
 * are written down and applied directly, and whatever is not plainly simple is left to yargs. A test compares
 * the two.
 */
import type { Argv, Options, PositionalOptions } from 'yargs';
import type { GlobalOptions, Parsed } from './arguments.ts';
import type { AnyCommand } from './command.ts';

/** What a command declared. */
interface Declarations {
  readonly options: Map<string, Options>;
  readonly positionals: Map<string, PositionalOptions>;
}

/** What of a declaration is understood here; any other key leaves the line to yargs. */
const plainKeys = new Set([
  'alias',
  'array',
  'boolean',
  'default',
  'demandOption',
  'describe',
  'nargs',
  'requiresArg',
  'string',
  'type',
]);

/** ` [-- paths..]` in a usage: the command wants what stands behind `--` apart, as its option `'--'`. */
export const tailPattern = / \[-- [^\]]*\]/;

/** Global options that are on or off, by how they are written. */
const globalSwitches = new Map<string, keyof GlobalOptions>([
  ['-q', 'quiet'],
  ['--quiet', 'quiet'],
  ['-v', 'verbose'],
  ['--verbose', 'verbose'],
  ['--json', 'json'],
]);

/** Reads a command's arguments as `parseArguments` would, or gives undefined when yargs has to. */
export function parseSimpleLine(command: AnyCommand, args: readonly string[]): Parsed | undefined {
  const rest: string[] = [];
  const on = new Set<string>();
  for (const arg of args) {
    // Behind an option that is on or off, yargs takes these as its value.
    if (arg === 'true' || arg === 'false') return undefined;
    const name = globalSwitches.get(arg);
    if (name === undefined) rest.push(arg);
    else on.add(name);
  }
  const options = readOptions(command, rest);
  if (options === undefined) return undefined;
  return {
    options: tailPattern.test(command.usage) ? { ...options, '--': [] } : options,
    globals: {
      directory: undefined,
      quiet: on.has('quiet'),
      verbose: on.has('verbose'),
      json: on.has('json'),
      jobs: undefined,
    },
  };
}

/** What the command's `run` gets, without the global options. */
function readOptions(command: AnyCommand, args: readonly string[]): Record<string, unknown> | undefined {
  const declared = declarationsOf(command);
  if (declared === undefined) return undefined;
  const values: Record<string, unknown> = {};
  const set = (name: string, value: unknown) => {
    values[name] = value;
    if (name.includes('-')) values[camelCase(name)] = value;
  };
  const words: string[] = [];
  const given = new Set<string>();
  for (const arg of args) {
    if (!arg.startsWith('-')) words.push(arg);
    else {
      const name = /^--([a-z][a-z-]*)$/.exec(arg)?.[1];
      if (name === undefined || declared.options.get(name)?.type !== 'boolean' || given.has(name))
        return undefined;
      given.add(name);
      set(name, true);
    }
  }
  for (const [name, option] of declared.options) {
    if (given.has(name)) continue;
    if (option.demandOption) return undefined;
    if (option.default !== undefined) set(name, option.default);
  }
  return placeWords(command.usage.replace(tailPattern, ''), declared.positionals, words, set)
    ? values
    : undefined;
}

/** Gives words to the positional arguments of a usage; false when they do not plainly fit. */
function placeWords(
  usage: string,
  declared: ReadonlyMap<string, PositionalOptions>,
  words: readonly string[],
  set: (name: string, value: unknown) => void,
): boolean {
  const slots = [...usage.matchAll(/([<[])([a-z-]+)(\.\.)?[>\]]/g)];
  if (slots.length !== declared.size || usage.split(' ').length - 1 !== slots.length) return false;
  let at = 0;
  for (const [, bracket, name, dots] of slots) {
    const positional = declared.get(name!);
    // yargs turns words that look like numbers into numbers unless the command says that they are text.
    if (positional?.type !== 'string') return false;
    const variadic = dots !== undefined;
    if (variadic !== (positional.array === true)) return false;
    const taken = variadic ? words.slice(at) : words.slice(at, at + 1);
    at += taken.length;
    if (taken.length === 0) {
      if (bracket === '<' || positional.demandOption) return false;
      set(name!, positional.default);
    } else set(name!, variadic ? taken : taken[0]);
  }
  return at === words.length;
}

/** Lets a command declare its arguments into two maps, or gives undefined when it uses more of yargs than that. */
function declarationsOf(command: AnyCommand): Declarations | undefined {
  const declared: Declarations = { options: new Map(), positionals: new Map() };
  let plain = true;
  const note = <Kind extends object>(map: Map<string, Kind>, name: unknown, options: Kind | undefined) => {
    if (typeof name !== 'string' || Object.keys(options ?? {}).some((key) => !plainKeys.has(key)))
      plain = false;
    else map.set(name, options ?? ({} as Kind));
    return recorder;
  };
  const methods: Record<string, unknown> = {
    option: (name: unknown, options?: Options) => note(declared.options, name, options),
    positional: (name: unknown, options?: PositionalOptions) => note(declared.positionals, name, options),
  };
  const recorder: object = new Proxy(methods, {
    get(target, method) {
      if (typeof method === 'string' && method in target) return target[method];
      plain = false;
      return () => recorder;
    },
  });
  // The recorder answers the two methods it knows as yargs would, and remembers that any other was called.
  command.options(recorder as Argv);
  return plain ? declared : undefined;
}

const camelCase = (name: string) => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
