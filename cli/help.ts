/** What dv says about itself: the list of commands, one command's help, words for completion, the version. */
import { readFileSync } from 'node:fs';
import { DvError } from '../core/errors.ts';
import type { AnyCommand } from './command.ts';
import { commands } from './commands/index.ts';
import { exitMeanings } from './exit.ts';
import { nearest } from './suggest.ts';

/** Loads a command. @throws {DvError} usage when there is none of this name */
export async function loadCommand(name: string): Promise<AnyCommand> {
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

/** The text of `dv <name> --help`. @throws {DvError} usage when there is no such command */
export async function helpFor(name: string): Promise<string> {
  const command = await loadCommand(name);
  const { commandHelp } = await import('./arguments.ts');
  return commandHelp(name, command, process.stdout.columns);
}

/** Words that can follow: commands, or the options of one; none of an unknown one. */
export async function completionWords(name: string | undefined): Promise<string[]> {
  if (name === undefined) return [...commands.keys(), 'help'];
  if (!commands.has(name)) return [];
  const help = await helpFor(name);
  return [...new Set([...help.matchAll(/^ +(?:-[a-zA-Z], +)?(--[a-z][a-z-]*)/gm)].map((match) => match[1]!))];
}

/** The version of the installed package. */
export function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The text of `dv --help`; loads no command. */
export function overview(): string {
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
