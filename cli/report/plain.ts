/** Events → lines on standard error, and one line of progress that is rewritten in place on a terminal. */
import type { DvEvent, Progress, StageFinished } from '../../core/events.ts';
import { clean } from './clean.ts';
import { Heartbeat } from './heartbeat.ts';
import { progressLine } from './progress-line.ts';

/** Where events go, and how the last of it is taken away before a result is printed. */
export interface Reporter {
  report(event: DvEvent): void;
  /** Erases the line of progress and writes what is held back; nothing is reported afterwards. */
  close(): void;
}

/** Where to write, and how much. */
export interface PlainOptions {
  write(text: string): void;
  /** Width of the terminal, or undefined when nobody watches: then no progress is shown. */
  readonly columns: number | undefined;
  /** Only warnings. */
  readonly quiet: boolean;
  /** Without a terminal, say how far the work is this often; left out, not at all. */
  readonly heartbeatMs?: number;
  /** Milliseconds, growing. */
  now?(): number;
}

/** Work shorter than this shows no progress. */
const patienceMs = 500;
/** The line is rewritten at most this often. */
const redrawMs = 100;

/** A reporter for people. */
export function plainReporter(options: PlainOptions): Reporter {
  const now = options.now ?? (() => performance.now());
  const progress = new ProgressPainter(options, now);
  const partial = new Map<string, string>();
  const say = (line: string) => {
    progress.erase();
    options.write(`${line}\n`);
  };
  const heartbeat =
    options.columns === undefined && !options.quiet && options.heartbeatMs !== undefined
      ? new Heartbeat(options.heartbeatMs, say)
      : undefined;
  const output = (stage: string, text: string) => {
    const lines = ((partial.get(stage) ?? '') + text).split('\n');
    partial.set(stage, lines.pop()!);
    for (const line of lines) say(stageLine(stage, line));
  };
  const flush = (stage: string) => {
    const rest = partial.get(stage);
    if (rest) say(stageLine(stage, rest));
    partial.delete(stage);
  };

  return {
    report(event) {
      if (event.type === 'warning') {
        say(`dv: warning: ${clean(event.message)}`);
        if (event.hint !== undefined) say(`hint: ${clean(event.hint)}`);
      } else if (options.quiet) {
        return;
      } else if (event.type === 'progress') {
        progress.show(event);
        heartbeat?.note(event);
      } else if (event.type === 'stage-started') {
        say(`${clean(event.stage)}: ${clean(event.command)}`);
        for (const reason of event.reasons) say(`  because ${clean(reason)}`);
      } else if (event.type === 'stage-output') {
        output(event.stage, event.text);
      } else if (event.type === 'stage-finished') {
        flush(event.stage);
        say(finishedLine(event));
      }
    },
    close() {
      heartbeat?.close();
      for (const stage of [...partial.keys()]) flush(stage);
      progress.erase();
    },
  };
}

/** A line a stage wrote; of a line it rewrote with carriage returns, what was visible last. */
function stageLine(stage: string, line: string): string {
  const visible = line.replace(/\r+$/, '');
  return `${clean(stage)} | ${clean(visible.slice(visible.lastIndexOf('\r') + 1))}`;
}

function finishedLine(event: StageFinished): string {
  const time =
    event.outcome === 'ran' || event.outcome === 'failed' ? ` in ${event.seconds.toFixed(1)} s` : '';
  const reasons =
    (event.outcome === 'failed' || event.outcome === 'skipped') && event.reasons.length > 0
      ? `: ${event.reasons.map(clean).join('; ')}`
      : '';
  return `${clean(event.stage)}: ${event.outcome}${time}${reasons}`;
}

/** Paints the progress of one task at a time over itself. */
class ProgressPainter {
  readonly #options: PlainOptions;
  readonly #now: () => number;
  #task: string | undefined;
  #startedMs = 0;
  #paintedMs = Number.NEGATIVE_INFINITY;
  #visible = false;

  constructor(options: PlainOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  show(event: Progress): void {
    if (this.#options.columns === undefined) return;
    const now = this.#now();
    if (event.task !== this.#task) {
      this.#task = event.task;
      this.#startedMs = now;
    }
    if (now - this.#startedMs < patienceMs || now - this.#paintedMs < redrawMs) return;
    this.#paintedMs = now;
    this.#visible = true;
    this.#options.write(`\r\x1b[K${progressLine(event, now - this.#startedMs, this.#options.columns)}`);
  }

  erase(): void {
    if (!this.#visible) return;
    this.#visible = false;
    this.#options.write('\r\x1b[K');
  }
}
