/**
 * Runs one command as a child process in a group of its own, so that it can be stopped with everything it
 * started. A watcher stops the group when dv itself is killed: nothing goes on writing behind the next run's back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import { hasGroups, signalGroup, waitForGroup } from './process-group.ts';

/** What to run. */
export interface ProcessOptions {
  /** A line for `/bin/sh -c`, or a program and its arguments. */
  readonly command: string | readonly [string, ...string[]];
  /** Absolute; must exist. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs?: number | undefined;
  /** Stops the process. */
  readonly signal?: AbortSignal | undefined;
  /** How long the group may take to end after SIGTERM, before SIGKILL. */
  readonly graceMs?: number;
  /** Called with the group's id as soon as it runs. */
  onStart?(group: number): void;
  /** Called with whole lines, newlines included; at the end with what is left. */
  onOutput?(stream: 'stdout' | 'stderr', text: string): void;
}

/** How a process ended. */
export type ProcessEnd =
  | { readonly kind: 'exited'; readonly status: number }
  | { readonly kind: 'signalled'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'not-started'; readonly reason: string };

/** How a process ended, after how long, and the last of what it wrote. */
export interface ProcessResult {
  readonly end: ProcessEnd;
  readonly seconds: number;
  /** The last lines of both streams, at most 4,000 characters. */
  readonly tail: string;
}

const tailLength = 4000;
/** A line longer than this is passed on in pieces. */
const longLine = 1 << 16;
/** How long after its end what a process wrote may still arrive. */
const drainMs = 1000;

/** What git sets for its hooks; a stage that runs git must not work on the hook's index. */
const gitLocal =
  /^GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|INTERNAL_SUPER_PREFIX|REFLOG_ACTION|GRAFT_FILE|SHALLOW_FILE|QUARANTINE_PATH)$/;

/** An environment without what git sets for its hooks. */
export function withoutGitLocals(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !gitLocal.test(name)));
}

/** Sends a signal to a process and all it started. */
function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  if (hasGroups) signalGroup(child.pid, signal);
  else child.kill(signal);
}

/** Ends what a process has left in its group: asks, waits, insists. */
async function endGroup(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.pid === undefined || !hasGroups) return;
  signalGroup(child.pid, 'SIGTERM');
  if (!(await waitForGroup(child.pid, graceMs))) signalGroup(child.pid, 'SIGKILL');
}

// Reads until dv says that the group has ended; when the pipe closes without a word, dv is dead.
const watchScript =
  'read -r group || exit; read -r word && exit; kill -s TERM -- "-$group" 2>/dev/null || exit; ' +
  'sleep 5; kill -s KILL -- "-$group" 2>/dev/null';

/** Starts the watcher; it must be told the group and, in the end, a word. */
function startWatcher(): ChildProcess | undefined {
  if (!hasGroups) return undefined;
  const watcher = spawn('/bin/sh', ['-c', watchScript], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without a watcher a stage still runs; it only outlives a killed dv.
  watcher.on('error', () => {});
  watcher.stdin?.on('error', () => {});
  watcher.unref();
  return watcher;
}

/** Gives on whole lines of a stream and remembers the last of them. */
class Lines {
  readonly #decoder = new StringDecoder('utf8');
  readonly #give: (text: string) => void;
  #rest = '';

  constructor(give: (text: string) => void) {
    this.#give = give;
  }

  add(bytes: Buffer): void {
    this.#rest += this.#decoder.write(bytes);
    const end = this.#rest.length > longLine ? this.#rest.length : this.#rest.lastIndexOf('\n') + 1;
    if (end === 0) return;
    this.#give(this.#rest.slice(0, end));
    this.#rest = this.#rest.slice(end);
  }

  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#give(rest);
  }
}

/**
 * Runs a command to its end, and ends what it leaves running in its group. Never rejects for how it ends.
 * Standard input is empty.
 */
export function runProcess(options: ProcessOptions): Promise<ProcessResult> {
  const { command, cwd, env, signal } = options;
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  if (signal?.aborted) return Promise.resolve({ end: { kind: 'aborted' }, seconds: 0, tail: '' });
  let tail = '';
  const give = (stream: 'stdout' | 'stderr') => (text: string) => {
    tail = (tail + text).slice(-tailLength);
    options.onOutput?.(stream, text);
  };
  const watcher = startWatcher();
  const settings = { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] as const, windowsHide: true };
  const child =
    typeof command === 'string'
      ? hasGroups
        ? spawn('/bin/sh', ['-c', command], { ...settings, stdio: [...settings.stdio], detached: true })
        : spawn(command, { ...settings, stdio: [...settings.stdio], shell: true })
      : spawn(command[0], command.slice(1), { ...settings, stdio: [...settings.stdio], detached: hasGroups });
  if (child.pid !== undefined) {
    watcher?.stdin?.write(`${child.pid}\n`);
    options.onStart?.(child.pid);
  }

  return new Promise((resolve) => {
    let stopped: 'timed-out' | 'aborted' | undefined;
    let killTimer: NodeJS.Timeout | undefined;
    const graceMs = options.graceMs ?? 5000;
    const stop = (why: 'timed-out' | 'aborted') => {
      if (stopped !== undefined || ended !== undefined) return;
      stopped = why;
      signalAll(child, 'SIGTERM');
      killTimer = setTimeout(() => signalAll(child, 'SIGKILL'), graceMs);
    };
    const abort = () => stop('aborted');
    signal?.addEventListener('abort', abort, { once: true });
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => stop('timed-out'), Math.min(options.timeoutMs, 2 ** 31 - 1));

    const streams = [
      { stream: child.stdout, lines: new Lines(give('stdout')) },
      { stream: child.stderr, lines: new Lines(give('stderr')) },
    ];
    for (const { stream, lines } of streams) stream?.on('data', (bytes: Buffer) => lines.add(bytes));

    let settled = false;
    const settle = (end: ProcessEnd) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      clearTimeout(killTimer);
      clearTimeout(drainTimer);
      signal?.removeEventListener('abort', abort);
      watcher?.stdin?.end('ended\n');
      for (const { stream, lines } of streams) {
        stream?.destroy();
        lines.end();
      }
      resolve({ end, seconds: seconds(), tail });
    };
    let drainTimer: NodeJS.Timeout | undefined;
    let ended: ProcessEnd | undefined;
    let closed = false;
    let groupGone = false;
    const settleWhenAllIsOver = () => {
      if (groupGone && closed) settle(ended!);
    };
    child.on('error', (error) => settle({ kind: 'not-started', reason: error.message }));
    child.on('exit', (status, endSignal) => {
      ended =
        stopped !== undefined
          ? { kind: stopped }
          : status !== null
            ? { kind: 'exited', status }
            : { kind: 'signalled', signal: endSignal! };
      // What the command left running in its group would go on writing into outs that are being recorded.
      void endGroup(child, graceMs).then(() => {
        groupGone = true;
        settleWhenAllIsOver();
        // Something that left the group may hold the pipes open for ever.
        drainTimer = setTimeout(() => settle(ended!), drainMs);
      });
    });
    child.on('close', () => {
      closed = true;
      settleWhenAllIsOver();
    });
  });
}

/** How a process ended, in words that follow its name: `ended with status 2`. Undefined when all is well. */
export function describeEnd(end: ProcessEnd, timeoutMs?: number): string | undefined {
  switch (end.kind) {
    case 'exited':
      return end.status === 0 ? undefined : `ended with status ${end.status}`;
    case 'signalled':
      return `was ended by ${end.signal}`;
    case 'timed-out':
      return `took longer than ${(timeoutMs ?? 0) / 1000} s and was stopped`;
    case 'aborted':
      return 'was interrupted';
    case 'not-started':
      return `could not be started: ${end.reason}`;
  }
}
