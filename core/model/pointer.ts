/**
 * The small text file git tracks for tracked data: `data/train.dv` stands for `data/train`.
 * One valid encoding per value; the bytes are pinned in docs/format.md.
 */
import { DvError } from '../errors.ts';
import { type Digest, parseDigest } from './digest.ts';
import { quote } from './quote.ts';
import { parseRepoPath, type RepoPath } from './repo-path.ts';

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

/**
 * The tracked path of a pointer file, or undefined when there can be none: `.git.dv` would stand for `.git`
 * and `...dv` for `..`. What comes from a repository must come through here before anything is written.
 */
export function parseTrackedPath(pointerPath: string): RepoPath | undefined {
  if (!pointerPath.endsWith(pointerSuffix) || parseRepoPath(pointerPath) === undefined) return undefined;
  return parseRepoPath(trackedPathOf(pointerPath));
}

/** The tracked path of a pointer file's name that dv itself made; names from elsewhere: `parseTrackedPath`. */
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
  // A pointer saved by an editor that puts a byte order mark first is still meant as one, and refused by name.
  return /^\ufeff?(version: |<<<<<<< )/.test(text);
}

const conflictMarker = /^(?:<{7}|={7}|>{7}|\|{7})(?: |\r?$)/;
const countPattern = /^(0|[1-9][0-9]{0,15})$/;

/**
 * Reads a pointer.
 * @param file how to name the pointer in errors.
 * @throws {DvError} invalid-file with line and what was expected; newer-format.
 */
export function parsePointer(text: string, file: string): Pointer {
  const lines = text.split('\n');
  const conflict = lines.findIndex((line) => conflictMarker.test(line));
  if (conflict !== -1) {
    throw new DvError('invalid-file', {
      problems: [{ file, line: conflict + 1, message: 'git left a merge conflict here' }],
      hint: `git checkout --ours ${file} (or --theirs), then dv checkout ${trackedPathOf(file)}`,
    });
  }
  const reader = new PointerLines(lines, file);
  const version = reader.take('version');
  if (/^(?:[2-9]|[1-9][0-9]{1,8})$/.test(version)) throw new DvError('newer-format', { what: file, version });
  if (version !== '1') reader.fail(`expected \`version: 1\`, found ${quote(version)}`);
  const kind = reader.take('kind');
  if (kind !== 'file' && kind !== 'tree') {
    return reader.fail(`expected \`kind: file\` or \`kind: tree\`, found ${quote(kind)}`);
  }
  const digestText = reader.take('digest');
  const digest = parseDigest(digestText);
  if (digest === undefined) {
    return reader.fail(`expected \`sha256:\` and 64 lower-case hex digits, found ${quote(digestText)}`);
  }
  const files = kind === 'tree' ? reader.takeCount('files') : 0;
  const bytes = reader.takeCount('bytes');
  reader.end();
  return kind === 'tree' ? { kind, digest, files, bytes } : { kind, digest, bytes };
}

/** A pointer's lines, read in their order. */
class PointerLines {
  readonly #lines: readonly string[];
  readonly #file: string;
  /** How many lines were taken, so the 1-based number of the last of them. */
  #taken = 0;

  constructor(lines: readonly string[], file: string) {
    this.#lines = lines;
    this.#file = file;
  }

  /** Fails, naming the line taken last. */
  fail(message: string): never {
    throw new DvError('invalid-file', {
      problems: [{ file: this.#file, line: Math.max(1, this.#taken), message }],
      hint: `git checkout HEAD -- ${this.#file}, or dv add ${trackedPathOf(this.#file)} to record what is in the workspace`,
    });
  }

  /** The value of the next line, which must have this key. */
  take(key: string): string {
    const line = this.#lines[this.#taken];
    this.#taken++;
    if (line === undefined || (line === '' && this.#taken === this.#lines.length)) {
      return this.fail(`expected \`${key}: …\`, found the end`);
    }
    if (line.startsWith('\ufeff')) this.fail(`expected \`${key}: …\`, found a byte order mark before it`);
    if (line.endsWith('\r')) this.fail('expected the line to end in LF alone, found CR LF');
    if (!line.startsWith(`${key}: `)) this.fail(`expected \`${key}: …\`, found ${quote(line)}`);
    return line.slice(key.length + 2);
  }

  /** The next line's value as a whole number. */
  takeCount(key: string): number {
    const value = this.take(key);
    const number = Number(value);
    if (!countPattern.test(value) || !Number.isSafeInteger(number)) {
      this.fail(
        `expected a whole number up to ${Number.MAX_SAFE_INTEGER} after \`${key}: \`, found ${quote(value)}`,
      );
    }
    return number;
  }

  /** Nothing but the last line's newline is left. */
  end(): void {
    const rest = this.#lines[this.#taken];
    if (rest === undefined) this.fail('expected a newline at the end');
    this.#taken++;
    if (rest !== '' || this.#lines.length > this.#taken) this.fail(`expected the end, found ${quote(rest!)}`);
  }
}
