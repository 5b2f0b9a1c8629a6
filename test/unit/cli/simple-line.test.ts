/** The short cut around yargs gives what yargs gives, for every command. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseArguments } from '../../../cli/arguments.ts';
import type { AnyCommand } from '../../../cli/command.ts';
import { commands } from '../../../cli/commands/index.ts';
import { parseSimpleLine } from '../../../cli/simple-line.ts';

/** What yargs adds on its own, and global options, which commands do not see in the short cut. */
const yargsOwn = ['_', '$0', 'C', 'jobs', 'j', 'quiet', 'q', 'verbose', 'v', 'json', 'help', 'h'];

async function byYargs(name: string, command: AnyCommand, args: readonly string[]) {
  const { options, globals } = await parseArguments(name, command, args);
  const own = Object.entries(options).filter(([key]) => !yargsOwn.includes(key));
  return { options: Object.fromEntries(own) as object, globals };
}

const words = fc.constantFrom(
  'data',
  'a b',
  '12',
  '0x1f',
  '1e3',
  '',
  'true',
  'ä',
  '--',
  '-',
  '--force',
  '--check',
  '--stat',
  '--all',
  '--dry-run',
  '--no-hooks',
  '-q',
  '--quiet',
  '--json',
  '-v',
  '--verbose',
  '--nope',
  '--rev',
  '-j',
  '3',
  '--plain',
  '--md',
  'show',
  'diff',
  'list',
);

describe.each([...commands.keys()])('%s', (name) => {
  test('is read the same way with and without yargs', async () => {
    const { command } = await commands.get(name)!.load();
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 4 }), async (args) => {
        const simple = parseSimpleLine(command, args);
        if (simple === undefined) return;
        expect(simple).toEqual(await byYargs(name, command, args));
      }),
      { numRuns: 120 },
    );
  });
});

test.each([
  ['status', []],
  ['status', ['--check', '-q']],
  ['status', ['data/train', 'data/test', '--json']],
  ['add', ['data/train']],
  ['checkout', ['--force', 'data']],
  ['diff', ['data/v1', 'data/v2', '--stat']],
  ['init', []],
  ['push', []],
  ['push', ['--dry-run']],
  ['pull', []],
])('dv %s %j needs no yargs', async (name, args) => {
  const { command } = await commands.get(name)!.load();
  expect(parseSimpleLine(command, args)).toBeDefined();
});

test.each([
  ['add', []],
  ['status', ['-j', '2']],
  ['status', ['--chek']],
  ['status', ['--check', '--check']],
  ['status', ['--', 'x']],
  ['init', ['superfluous']],
  ['hook', ['list']],
  ['push', ['--rev', 'x']],
])('dv %s %j is left to yargs', async (name, args) => {
  const { command } = await commands.get(name)!.load();
  expect(parseSimpleLine(command, args)).toBeUndefined();
});
