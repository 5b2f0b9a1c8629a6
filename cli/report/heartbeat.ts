/** Lines that say, where nobody watches a terminal, that long work goes on: for logs, and for what ends silent connections. */
import type { Progress } from '../../core/events.ts';
import { clean } from './clean.ts';
import { countOf, formatBytes, formatCount } from './words.ts';

/** Says every so often how far the work is, from its making until `close`. */
export class Heartbeat {
  readonly #timer: NodeJS.Timeout;
  #last: Progress | undefined;

  /** @param say prints a line. */
  constructor(everyMs: number, say: (line: string) => void) {
    this.#timer = setInterval(() => say(`dv: ${describe(this.#last)}`), everyMs);
    // Ends no process later.
    this.#timer.unref();
  }

  /** Takes note of how far it is. */
  note(progress: Progress): void {
    this.#last = progress;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function describe(progress: Progress | undefined): string {
  if (progress === undefined) return 'still working';
  const { task, files, totalFiles, bytes, totalBytes } = progress;
  const ofFiles =
    totalFiles === undefined
      ? countOf(files, 'file')
      : `${formatCount(files)} of ${countOf(totalFiles, 'file')}`;
  const ofBytes =
    totalBytes === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
  return `still ${clean(task)}: ${ofFiles}, ${ofBytes}`;
}
