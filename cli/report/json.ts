/** For `--json`: events as one JSON object per line on standard error; the result is one document on standard output. */
import type { Reporter } from './plain.ts';

/** A reporter for programs. Progress is passed on at most ten times a second per task, and at its end. */
export function jsonReporter(write: (text: string) => void, now = () => performance.now()): Reporter {
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastTask: string | undefined;
  return {
    report(event) {
      if (event.type === 'progress') {
        const complete = event.totalFiles !== undefined && event.files >= event.totalFiles;
        if (event.task === lastTask && now() - lastMs < 100 && !complete) return;
        lastMs = now();
        lastTask = event.task;
      }
      write(`${JSON.stringify(event)}\n`);
    },
    close() {},
  };
}
