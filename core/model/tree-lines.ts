/** Reads the lines of a tree's objects field by field, and names the line when one is not as it must be. */
import { isUtf8 } from 'node:buffer';
import { DvError } from '../errors.ts';
import type { Digest } from './digest.ts';
import { PathSequence } from './path-sequence.ts';
import { quote } from './quote.ts';
import type { RepoPath } from './repo-path.ts';

const escapes: Record<string, string> = { '%': '%25', '\n': '%0A', '\r': '%0D' };

/** A path as it stands in a line: `%`, LF and CR as `%25`, `%0A`, `%0D`; everything else as it is. */
export function encodePath(path: string): string {
  return /[%\n\r]/.test(path) ? path.replace(/[%\n\r]/g, (character) => escapes[character]!) : path;
}

/** The path behind an encoded one, or undefined when its encoding is not the only one allowed. */
export function decodePath(text: string): string | undefined {
  if (text.includes('\r')) return undefined;
  if (!text.includes('%')) return text;
  if (/%(?!25|0A|0D)/.test(text)) return undefined;
  return text.replace(/%(25|0A|0D)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** The lines behind an object's header. `next` goes to a line, `take…` reads its fields from left to right. */
export class TreeLines {
  readonly #text: string;
  readonly #name: string;
  readonly #paths: PathSequence;
  #at: number;
  #end = -1;
  #line = 1;

  /**
   * @param header the expected first line, without its newline.
   * @param name how to call the object in errors.
   * @param paths takes the lines' paths, in order.
   * @throws {DvError} invalid-file, newer-format
   */
  constructor(bytes: Uint8Array, header: string, name: string, paths = new PathSequence()) {
    this.#name = name;
    this.#paths = paths;
    if (!isUtf8(bytes)) {
      this.#line = firstBadLine(bytes);
      this.#text = '';
      this.fail('expected UTF-8 text');
    }
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
    if (!this.#text.startsWith(`${header}\n`)) {
      const first = this.#text.split('\n', 1)[0]!;
      const version = /^dv-tree(?:-index)? ([1-9][0-9]{0,8})$/.exec(first)?.[1];
      if (version !== undefined && version !== '1')
        throw new DvError('newer-format', { what: name, version });
      this.fail(`expected \`${header}\` and a newline, found ${quote(first)}`);
    }
    this.#at = header.length + 1;
    if (!this.#text.endsWith('\n')) {
      this.#line = this.#text.split('\n').length;
      this.fail('expected a newline at the end');
    }
  }

  /** Fails, naming the line. @throws {DvError} invalid-file */
  fail(message: string): never {
    throw new DvError('invalid-file', { problems: [{ file: this.#name, line: this.#line, message }] });
  }

  /** Goes to the next line; false at the end. */
  next(): boolean {
    if (this.#at >= this.#text.length) return false;
    this.#line++;
    this.#end = this.#text.indexOf('\n', this.#at);
    return true;
  }

  /** Reads a digest's 64 hex digits. */
  takeDigest(): Digest {
    const start = this.#at;
    const end = start + 64;
    if (!isHex(this.#text, start, end) || this.#text.charCodeAt(end) !== 32) {
      return this.#expected('64 lower-case hex digits and a space');
    }
    this.#at = end + 1;
    return `sha256:${this.#text.slice(start, end)}` as Digest;
  }

  /** Reads a whole number from 0 to 2^53 - 1, without leading zeros. */
  takeCount(): number {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    let value = 0;
    for (let digit = text.charCodeAt(at) - 48; digit >= 0 && digit <= 9; digit = text.charCodeAt(++at) - 48) {
      value = value * 10 + digit;
    }
    const leadingZero = at > start + 1 && text.charCodeAt(start) === 48;
    if (at === start || leadingZero || value > Number.MAX_SAFE_INTEGER || text.charCodeAt(at) !== 32) {
      return this.#expected(`a whole number up to ${Number.MAX_SAFE_INTEGER} and a space`);
    }
    this.#at = at + 1;
    return value;
  }

  /** Reads one character that is one of `allowed`. */
  takeLetter<Letter extends string>(allowed: readonly Letter[]): Letter {
    const letter = allowed.find((candidate) => this.#text.startsWith(candidate, this.#at));
    if (letter === undefined || this.#text.charCodeAt(this.#at + 1) !== 32) {
      return this.#expected(`one of ${allowed.join(', ')} and a space`);
    }
    this.#at += 2;
    return letter;
  }

  /** Reads the path that fills the rest of the line. */
  takePath(): RepoPath {
    const encoded = this.#text.slice(this.#at, this.#end);
    this.#at = this.#end + 1;
    const path = decodePath(encoded);
    if (path === undefined) {
      this.fail(`expected a path with no escapes but %25, %0A and %0D and no CR, found ${quote(encoded)}`);
    }
    const problem = this.#paths.add(path);
    if (problem !== undefined) this.fail(problem);
    return path as RepoPath;
  }

  /** Fails with what was expected at the cursor and what stands there. */
  #expected(what: string): never {
    this.fail(`expected ${what}, found ${quote(this.#text.slice(this.#at, this.#end))}`);
  }
}

/** 0 for the codes of `0`…`9` and `a`…`f`, 1 for the other ASCII codes. */
const notHex = Uint8Array.from({ length: 128 }, (_, code) =>
  /[0-9a-f]/.test(String.fromCharCode(code)) ? 0 : 1,
);

/** Whether the characters are lower-case hex digits. Without branches: three times as fast as a pattern. */
function isHex(text: string, start: number, end: number): boolean {
  let wrong = end > text.length ? 1 : 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    wrong |= notHex[code & 127]! | (code >> 7);
  }
  return wrong === 0;
}

/** The 1-based line of the first bytes that are no UTF-8. */
function firstBadLine(bytes: Uint8Array): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(10, start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}
