/**
 * The small text file git tracks for tracked data: `data/train.dv` stands for `data/train`.
 * One valid encoding per value; the bytes are pinned in docs/format.md.
 */
import { DvError } from '../errors.ts';
import { type Digest, parseDigest } from './digest.ts';

/** What a pointer says. */
export type Pointer =
  | { readonly kind: 'file'; readonly digest: Digest; readonly bytes: number }
  | { readonly kind: 'tree'; readonly digest: Digest; readonly files: number; readonly bytes: number };

/** The ending of a pointer's file name. */
export const pointerSuffix = '.dv';

/** The pointer file of a tracked path. */
export function pointerPathOf(trackedPath: string): string {
  return trackedPath + pointerSuffix;
}

/** The tracked path of a pointer file. */
export function trackedPathOf(pointerPath: string): string {
  return pointerPath.slice(0, -pointerSuffix.length);
}

/** Encodes a pointer, with a final newline. */
export function formatPointer(pointer: Pointer): string {
  const files = pointer.kind === 'tree' ? `files: ${pointer.files}\n` : '';
  return `version: 1\nkind: ${pointer.kind}\ndigest: ${pointer.digest}\n${files}bytes: ${pointer.bytes}\n`;
}

/** Whether a text with a pointer's file name is meant as a pointer; otherwise it is another program's file. */
export function looksLikePointer(text: string): boolean {
  return text.startsWith('version: ') || text.startsWith('<<<<<<< ');
}

const countPattern = /^(0|[1-9][0-9]{0,15})$/;

/**
 * Reads a pointer.
 * @param file how to name the pointer in errors.
 * @throws {DvError} invalid-file with line and what was expected; newer-format.
 */
export function parsePointer(text: string, file: string): Pointer {
  const lines = text.split('\n');
  const fail = (line: number, message: string): never => {
    throw new DvError('invalid-file', {
      problems: [{ file, line, message }],
      hint: `git checkout HEAD -- ${file}, or dv add ${trackedPathOf(file)} to record what is in the workspace`,
    });
  };
  const conflict = lines.findIndex((line) => /^(<{7}|={7}|>{7}|\|{7})( |$)/.test(line));
  if (conflict !== -1) {
    throw new DvError('invalid-file', {
      problems: [{ file, line: conflict + 1, message: 'git left a merge conflict here' }],
      hint: `git checkout --ours ${file} (or --theirs), then dv checkout ${trackedPathOf(file)}`,
    });
  }
  let at = 0;
  const take = (key: string): string => {
    const line = lines[at];
    at++;
    if (line === undefined || (line === '' && at === lines.length))
      fail(at, `expected \`${key}: …\`, found the end`);
    if (!line!.startsWith(`${key}: `)) fail(at, `expected \`${key}: …\`, found ${JSON.stringify(line)}`);
    return line!.slice(key.length + 2);
  };
  const count = (key: string): number => {
    const value = take(key);
    const number = Number(value);
    if (!countPattern.test(value) || !Number.isSafeInteger(number)) {
      fail(at, `expected a whole number after \`${key}: \`, found ${JSON.stringify(value)}`);
    }
    return number;
  };

  const version = take('version');
  if (version !== '1') {
    if (/^[1-9][0-9]*$/.test(version)) throw new DvError('newer-format', { what: file, version });
    fail(1, `expected \`version: 1\`, found ${JSON.stringify(version)}`);
  }
  const kind = take('kind');
  if (kind !== 'file' && kind !== 'tree')
    fail(at, `expected \`kind: file\` or \`kind: tree\`, found ${JSON.stringify(kind)}`);
  const digestText = take('digest');
  const digest = parseDigest(digestText);
  if (digest === undefined)
    fail(at, `expected \`sha256:\` and 64 hex digits, found ${JSON.stringify(digestText)}`);
  const files = kind === 'tree' ? count('files') : 0;
  const bytes = count('bytes');
  if (lines[at] !== '' || lines.length !== at + 1) {
    fail(
      at + 1,
      lines[at] === undefined
        ? 'expected a newline at the end'
        : `expected the end, found ${JSON.stringify(lines[at])}`,
    );
  }
  return kind === 'tree' ? { kind, digest: digest!, files, bytes } : { kind: 'file', digest: digest!, bytes };
}
