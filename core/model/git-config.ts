/**
 * git's config syntax, read as git reads it. Includes are not followed.
 * Source: git-config(1), "CONFIGURATION FILE", and git's config.c (git_parse_source), as of 2.45.
 */
import { DvError } from '../errors.ts';
import { quote } from './quote.ts';

/** One `key = value` of a config file. */
export interface ConfigEntry {
  /** `section.variable` or `section.subsection.variable`; section and variable lower case, subsection as written. */
  readonly key: string;
  /** `true` for a key without `=`, which git takes for that. */
  readonly value: string;
  /** Whether the key stands there without `=`: enough for a switch, not for a text. */
  readonly valueless?: boolean;
  /** 1-based; 0 when the entry comes from no file. */
  readonly line: number;
}

/** Parses a config file. @throws {DvError} invalid-file */
export function parseGitConfig(text: string, file: string): ConfigEntry[] {
  return new ConfigParser(text, file).parse();
}

const keyCharacter = /[-A-Za-z0-9]/;
const escapes: Record<string, string> = { n: '\n', t: '\t', b: '\b', '\\': '\\', '"': '"' };
const isSpace = (character: string) => character === ' ' || character === '\t' || character === '\r';

class ConfigParser {
  readonly #source: string;
  readonly #file: string;
  #at = 0;
  #line = 1;

  constructor(text: string, file: string) {
    this.#source = text.replace(/^\ufeff/, '').replace(/\r\n/g, '\n');
    this.#file = file;
  }

  parse(): ConfigEntry[] {
    const entries: ConfigEntry[] = [];
    let section = '';
    while (this.#at < this.#source.length) {
      const character = this.#next();
      if (character === '\n' || isSpace(character)) continue;
      if (character === '#' || character === ';') this.#skipLine();
      else if (character === '[') section = this.#section();
      else if (/[A-Za-z]/.test(character)) {
        const line = this.#line;
        const name = character + this.#word(keyCharacter);
        const key = `${section}${name.toLowerCase()}`;
        entries.push({ key, ...this.#assignment(name), line });
      } else this.#fail(`expected \`[section]\` or \`key = value\`, found ${quote(character)}`);
    }
    return entries;
  }

  #fail(message: string, line = this.#line): never {
    throw new DvError('invalid-file', { problems: [{ file: this.#file, line, message }] });
  }

  /** The character under the cursor; a newline at the end, as git has it. */
  #peek(): string {
    return this.#source[this.#at] ?? '\n';
  }

  #next(): string {
    const character = this.#peek();
    if (character === '\n') this.#line++;
    this.#at++;
    return character;
  }

  #skipLine(): void {
    while (this.#peek() !== '\n') this.#at++;
  }

  #word(characters: RegExp): string {
    const start = this.#at;
    while (characters.test(this.#peek())) this.#at++;
    return this.#source.slice(start, this.#at);
  }

  /** What stands between brackets, with a dot behind: `[dv "cache"]` is `dv.cache.`. */
  #section(): string {
    const line = this.#line;
    const name = this.#word(/[-.A-Za-z0-9]/).toLowerCase();
    if (!isSpace(this.#peek())) {
      if (this.#next() !== ']') this.#fail('expected `[section]` or `[section "subsection"]`', line);
      return `${name}.`;
    }
    while (isSpace(this.#peek())) this.#at++;
    if (this.#next() !== '"') this.#fail('expected `[section "subsection"]`', line);
    let subsection = '';
    for (;;) {
      let character = this.#next();
      if (character === '"') break;
      if (character === '\\') character = this.#next();
      if (character === '\n') this.#fail('expected a closing quote after the subsection', line);
      subsection += character;
    }
    if (this.#next() !== ']') this.#fail('expected `]` after the subsection', line);
    return `${name}.${subsection}.`;
  }

  /** What follows a key. */
  #assignment(name: string): Pick<ConfigEntry, 'value' | 'valueless'> {
    const line = this.#line;
    while (this.#peek() === ' ' || this.#peek() === '\t') this.#at++;
    const character = this.#next();
    if (character === '\n') return { value: 'true', valueless: true };
    if (character !== '=') this.#fail(`expected \`=\` or the end of the line after ${quote(name)}`, line);
    return { value: this.#value() };
  }

  /** The rest of a line and of those it continues on: quotes and escapes undone, comment and outer spaces gone. */
  #value(): string {
    let value = '';
    /** Where the white space begins that is dropped unless something follows. */
    let trimTo: number | undefined;
    let quotedSince: number | undefined;
    for (;;) {
      const line = this.#line;
      const character = this.#next();
      const quoted = quotedSince !== undefined;
      if (character === '\n') {
        if (quotedSince !== undefined) this.#fail('expected a closing quote', quotedSince);
        return trimTo === undefined ? value : value.slice(0, trimTo);
      }
      if (!quoted && isSpace(character)) {
        trimTo ??= value.length;
        if (value !== '') value += character;
      } else if (!quoted && (character === '#' || character === ';')) this.#skipLine();
      else {
        trimTo = undefined;
        if (character === '"') quotedSince = quoted ? undefined : line;
        else if (character !== '\\') value += character;
        else {
          const escaped = this.#next();
          if (escaped === '\n') continue;
          const meant = escapes[escaped];
          if (meant === undefined) this.#fail(`${quote(`\\${escaped}`)} is no escape git knows`, line);
          value += meant;
        }
      }
    }
  }
}
