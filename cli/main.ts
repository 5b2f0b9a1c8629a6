#!/usr/bin/env node
/** argv → command → exit status; the only place that ends the process. */
import { setMaxListeners } from 'node:events';
import nodeModule from 'node:module';
import { startEarlyThread } from '../core/store/threads.ts';
import { keepYoungSpaceSmall } from '../core/store/young-space.ts';
import { isDriverName, isHookEvent } from '../hooks/events.ts';
import type { Terminal } from './terminal.ts';

// Keeps compiled code between runs, from Node 22.8 on: start-up is most of what a hook or `dv status` takes.
(nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();

// Steps make garbage, and want the room.
if (process.argv[2] !== 'step') keepYoungSpaceSmall();

// These look at every file.
if (['status', 'add', 'checkout', 'commit', 'diff'].includes(process.argv[2] ?? ''))
  startEarlyThread(process.cwd());

/** Ends the process when what was written has left it. */
function end(status: number): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(status)));
}

async function tellBug(error: unknown): Promise<void> {
  const { describeFailure } = await import('./exit.ts');
  const failure = describeFailure(error, { verbose: true });
  process.stderr.write(`${failure.text}\n`, () => process.exit(failure.status));
}

const interruption = new AbortController();
// Every request on its way listens to it.
setMaxListeners(0, interruption.signal);
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The second one does not wait for a safe point.
    if (interruption.signal.aborted) process.exit(name === 'SIGTERM' ? 143 : 130);
    interruption.abort(name);
  });
}
// A reader that went away (`dv diff | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
process.on('uncaughtException', tellBug);

const terminal: Terminal = {
  cwd: process.cwd(),
  env: process.env,
  signal: interruption.signal,
  stdoutIsTerminal: process.stdout.isTTY === true,
  stderrColumns: process.stderr.isTTY ? (process.stderr.columns ?? 80) : undefined,
  async readInput() {
    const { text } = await import('node:stream/consumers');
    const { addAbortSignal } = await import('node:stream');
    return text(addAbortSignal(interruption.signal, process.stdin));
  },
  writeOut: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
};
const argv = process.argv.slice(2);

// git waits for its hooks, so they pay for nothing a command needs: not for yargs, not for the list of commands.
if (argv[0] === 'hook' && isHookEvent(argv[1]) && !argv.includes('--help')) {
  const { runHook } = await import('./run-hook.ts');
  end(await runHook(argv[1], argv.slice(2), terminal));
} else if (argv[0] === 'hook' && isDriverName(argv[1]) && !argv.includes('--help')) {
  const { runDriver } = await import('./run-driver.ts');
  end(await runDriver(argv[1], argv.slice(2), terminal));
} else {
  const { run } = await import('./run.ts');
  end(await run(argv, terminal));
}
