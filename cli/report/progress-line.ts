/** The line that shows how far bulk work is, as text of a given width. */
import type { Progress } from '../../core/events.ts';
import { clean } from './clean.ts';
import { formatBytes, formatCount } from './words.ts';

/** What share of the work is done, 0..1, by bytes where they are known, else by files; undefined without totals. */
function shareDone(progress: Progress): number | undefined {
  const share = (done: number, total: number | undefined) =>
    total === undefined || total === 0 ? undefined : Math.min(1, done / total);
  return share(progress.bytes, progress.totalBytes) ?? share(progress.files, progress.totalFiles);
}

/** Seconds as people read them: `45 s`, `3 min 20 s`, `2 h 05 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

const bar = (share: number, width: number) => {
  const full = Math.round(share * width);
  return `[${'='.repeat(full)}${' '.repeat(width - full)}]`;
};

const outOf = (done: string, total: string | undefined) =>
  total === undefined ? done : `${done} of ${total}`;

/**
 * One line: task, bar, files, bytes, rate, time left; parts that are unknown or do not fit are left out.
 * @param elapsedMs since the task began.
 * @param columns width of the terminal; the line is shorter.
 */
export function progressLine(progress: Progress, elapsedMs: number, columns: number): string {
  const share = shareDone(progress);
  const seconds = elapsedMs / 1000;
  const parts = [clean(progress.task)];
  if (share !== undefined) parts.push(bar(share, 20));
  parts.push(
    `${outOf(formatCount(progress.files), progress.totalFiles === undefined ? undefined : formatCount(progress.totalFiles))} files`,
  );
  if (progress.bytes > 0 || progress.totalBytes !== undefined) {
    parts.push(
      outOf(
        formatBytes(progress.bytes),
        progress.totalBytes === undefined ? undefined : formatBytes(progress.totalBytes),
      ),
    );
  }
  if (progress.bytes > 0 && seconds > 0) parts.push(`${formatBytes(progress.bytes / seconds)}/s`);
  if (share !== undefined && share > 0.02)
    parts.push(`${formatSeconds((seconds * (1 - share)) / share)} left`);
  let line = '';
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`;
    if (longer.length >= columns) break;
    line = longer;
  }
  return line;
}
