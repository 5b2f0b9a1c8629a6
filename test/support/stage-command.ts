/**
 * Commands for stages in tests that do what the test says when it says so: each announces itself on a socket,
 * waits until it is let go, and then does its work. Nothing is slept on, and every run is counted outside the
 * repository.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a command does when it is let go. */
export interface Work {
  /** Files to write, relative to where it runs: path → content. Folders are made. */
  readonly write?: Readonly<Record<string, string>>;
  /** Files to copy: from → to. Several sources are joined with a comma. */
  readonly copy?: Readonly<Record<string, string>>;
  /** Printed, each with a newline. */
  readonly say?: readonly string[];
  readonly exit?: number;
  /** Files written before it announces itself: what is half done when it is stopped. */
  readonly first?: Readonly<Record<string, string>>;
}

/** A command that waits. */
export interface Waiting {
  readonly name: string;
  /** Lets it do its work. */
  release(): void;
  /** Resolves when its process is gone. */
  readonly gone: Promise<void>;
}

const program = `
const { connect } = require('node:net');
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { dirname } = require('node:path');
const [socketPath, name, text] = process.argv.slice(1);
const work = JSON.parse(text);
const write = (files) => {
  for (const [path, content] of Object.entries(files ?? {})) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
};
write(work.first);
const socket = connect(socketPath, () => socket.write(name + '\\n'));
socket.once('data', () => {
  write(work.write);
  for (const [from, to] of Object.entries(work.copy ?? {}))
    write({ [to]: from.split(',').map((path) => readFileSync(path, 'utf8')).join('') });
  for (const line of work.say ?? []) console.log(line);
  process.exit(work.exit ?? 0);
});
`;

/** Opens the socket that commands wait on. */
export async function stageCommands() {
  const folder = mkdtempSync(join(tmpdir(), 'dv-stage-'));
  const socketPath = join(folder, 'socket');
  const started: string[] = [];
  const arrived: Waiting[] = [];
  let wanted: ((waiting: Waiting) => void)[] = [];
  let running = 0;
  let most = 0;
  let automatic = false;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    running++;
    most = Math.max(most, running);
    const gone = new Promise<void>((resolve) => {
      socket.on('close', () => {
        sockets.delete(socket);
        running--;
        resolve();
      });
    });
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      const name = bytes.toString().trim();
      started.push(name);
      const waiting: Waiting = { name, gone, release: () => void socket.write('go\n') };
      if (automatic) waiting.release();
      else if (wanted.length > 0) wanted.shift()!(waiting);
      else arrived.push(waiting);
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));

  return {
    /** A command line for stages.yaml. */
    command(name: string, work: Work): string {
      const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
      return [process.execPath, '-e', program, socketPath, name, JSON.stringify(work)].map(quote).join(' ');
    },
    /** From now on commands do not wait. */
    releaseAll(): void {
      automatic = true;
      for (const waiting of arrived.splice(0)) waiting.release();
    },
    /** The next command that waits, in the order they arrived. */
    next(): Promise<Waiting> {
      const waiting = arrived.shift();
      return waiting === undefined
        ? new Promise((resolve) => {
            wanted = [...wanted, resolve];
          })
        : Promise.resolve(waiting);
    },
    /** The names of all commands that ran so far, in the order they started. */
    started: (): readonly string[] => [...started],
    /** Commands that run now, and the most that ever ran at once. */
    counts: () => ({ running, most }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The commands of one test. */
export type StageCommands = Awaited<ReturnType<typeof stageCommands>>;
