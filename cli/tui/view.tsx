/** Opens the comparison on a terminal, until the user quits. Bundled into one file by the build, with Ink in it. */
import { Writable } from 'node:stream';
import { render } from 'ink';
import type { Table } from '../../core/metrics/table.ts';
import { App } from './app.tsx';
import { Screen, terminalOutput } from './screen.ts';
import { toAnsi } from './spans.ts';
import { createView } from './state.ts';

/** What is opened, and where. */
export interface ViewOptions {
  /** Its first column is the baseline. */
  readonly table: Table;
  /** What stands at the top: the command line. */
  readonly title: string;
  /** Whether rows equal in all revisions are hidden at first. */
  readonly changedOnly: boolean;
  readonly colour: boolean;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream & { fd: number };
  readonly signal: AbortSignal;
}

/** Ink measures and draws to this; what it draws is nothing, and the screen is painted line by line instead. */
class Nowhere extends Writable {
  readonly columns = 80;
  readonly rows = 24;
  readonly isTTY = false;
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

/**
 * Shows the view and returns when it is closed. The terminal is given back as it was: on quitting, on a failure
 * and on every signal that can be caught.
 * @throws what `signal` was aborted with.
 */
export async function openView(options: ViewOptions): Promise<void> {
  const { stdin, stdout, signal } = options;
  const screen = new Screen(terminalOutput(stdout));
  const leave = () => screen.leave();
  const hangUp = () => {
    leave();
    process.removeListener('SIGHUP', hangUp);
    process.kill(process.pid, 'SIGHUP');
  };
  process.on('exit', leave);
  process.on('SIGHUP', hangUp);
  try {
    screen.enter();
    const app = render(
      <App
        view={createView(options.table, options.title, new Date())}
        changedOnly={options.changedOnly}
        size={() => ({ width: stdout.columns ?? 80, height: stdout.rows ?? 24 })}
        onResize={(listener) => {
          stdout.on('resize', listener);
          return () => stdout.off('resize', listener);
        }}
        onLines={(lines, { width }) =>
          screen.paint(
            lines.map((line) => toAnsi(line, options.colour)),
            width,
          )
        }
        signal={signal}
      />,
      {
        stdin,
        // Ink asks only for what Nowhere has; the type of its option wants a whole terminal.
        stdout: new Nowhere() as unknown as NodeJS.WriteStream,
        exitOnCtrlC: false,
        patchConsole: false,
      },
    );
    await app.waitUntilExit();
  } finally {
    leave();
    process.removeListener('exit', leave);
    process.removeListener('SIGHUP', hangUp);
  }
  signal.throwIfAborted();
}
