/** Words for results that several commands print. */

import type { Pointer } from '../../core/model/pointer.ts';
import { cleanLine } from './clean-line.ts';

const sizeUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** A size in bytes for people, in powers of 1000: `31.4 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < sizeUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${sizeUnits[unit]}`;
}

/** A whole number with thousands separated: `2,880`. */
export function formatCount(count: number): string {
  // Not toLocaleString: loading its tables takes 15 ms, and hooks print counts too.
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 file`, `2,880 files`. */
export function countOf(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : plural}`;
}

/** What a pointer stands for: `2,880 files, 31.4 MB`. */
export function describePointer(pointer: Pointer): string {
  return `${countOf(pointer.kind === 'tree' ? pointer.files : 1, 'file')}, ${formatBytes(pointer.bytes)}`;
}

/** `+12 −3 ~5`, without the parts that are nothing. */
export function describeChanges(counts: { added: number; deleted: number; modified: number }): string {
  return [
    counts.added > 0 ? `+${formatCount(counts.added)}` : '',
    counts.deleted > 0 ? `−${formatCount(counts.deleted)}` : '',
    counts.modified > 0 ? `~${formatCount(counts.modified)}` : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** Lines that name files something went wrong with, at most 20 of them. */
export function failureLines(what: string, failures: readonly { path: string; reason: string }[]): string[] {
  if (failures.length === 0) return [];
  const shown = failures.slice(0, 20).map((failure) => `  ${cleanLine(failure.path)}: ${failure.reason}`);
  const more = failures.length > 20 ? [`  … and ${formatCount(failures.length - 20)} more`] : [];
  return [`${countOf(failures.length, 'file')} ${what}:`, ...shown, ...more];
}

/** Lines that list paths, at most 20 of them. */
export function pathLines(heading: string, paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const more = paths.length > 20 ? [`  … and ${formatCount(paths.length - 20)} more`] : [];
  return [heading, ...paths.slice(0, 20).map((path) => `  ${cleanLine(path)}`), ...more];
}

/** Lines that say where a path that is gone is still named. */
export function mentionLines(mentions: readonly { file: string; line: number; path: string }[]): string[] {
  if (mentions.length === 0) return [];
  return [
    ...pathLines(
      'still named in:',
      mentions.map(({ file, line, path }) => `${file}:${line}  ${path}`),
    ),
    'correct stages.yaml; the next dv repro writes stages.lock',
  ];
}
