/**
 * git's file name patterns: `*`, `?`, `[…]`, `**` and backslashes, matched byte by byte as git does, so that
 * `?` is one byte of a name, not one character. Source: git, wildmatch.c (from rsync, by W. Davison).
 */

/** How a match ended. The two that abort say that a star before this one need not try further. */
const matches = 0;
const fails = 1;
const abortsAll = 2;
const abortsToDoubleStar = 3;
type Outcome = typeof matches | typeof fails | typeof abortsAll | typeof abortsToDoubleStar;

/** A text as one character per UTF-8 byte, the form patterns and names are matched in. */
export function toByteString(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Whether a byte means something to a pattern; everything else stands for itself. */
export function isSpecial(byte: string): boolean {
  return byte === '*' || byte === '?' || byte === '[' || byte === '\\';
}

/**
 * Whether a whole text matches a pattern.
 * @param pattern and `text` as byte strings.
 * @param slashes `apart`: only `**` between slashes matches a `/`; `plain`: a `/` is like any other byte.
 */
export function wildmatch(pattern: string, text: string, slashes: 'apart' | 'plain'): boolean {
  return new Match(pattern, text, slashes === 'apart').from(0, 0) === matches;
}

class Match {
  readonly #pattern: string;
  readonly #text: string;
  readonly #apart: boolean;
  /** Outcomes behind stars, by both positions: without them some patterns take exponential time. */
  readonly #known = new Map<number, Outcome>();

  constructor(pattern: string, text: string, apart: boolean) {
    this.#pattern = pattern;
    this.#text = text;
    this.#apart = apart;
  }

  /** The outcome of the pattern from `p` on against the text from `t` on. */
  from(p: number, t: number): Outcome {
    const key = p * (this.#text.length + 1) + t;
    let outcome = this.#known.get(key);
    if (outcome === undefined) {
      outcome = this.#run(p, t);
      this.#known.set(key, outcome);
    }
    return outcome;
  }

  #run(start: number, textStart: number): Outcome {
    const pattern = this.#pattern;
    const text = this.#text;
    let t = textStart;
    for (let p = start; p < pattern.length; p++, t++) {
      let wanted = pattern[p]!;
      if (t >= text.length && wanted !== '*') return abortsAll;
      if (wanted === '?') {
        if (this.#apart && text[t] === '/') return fails;
      } else if (wanted === '[') {
        const found = readClass(pattern, p, text[t]!);
        if (found === undefined) return abortsAll;
        if (!found.has || (this.#apart && text[t] === '/')) return fails;
        p = found.end;
      } else if (wanted === '*') {
        let next = p + 1;
        while (pattern[next] === '*') next++;
        const isFolders = next - p > 1 && this.#standsBetweenSlashes(p, next, start);
        if (isFolders && pattern[next] === '/' && this.from(next + 1, t) === matches) return matches;
        const crossing = !this.#apart || isFolders;
        if (next === pattern.length) {
          return crossing || !text.includes('/', t) ? matches : abortsToDoubleStar;
        }
        if (crossing || pattern[next] !== '/') return this.#star(next, t, crossing);
        // A lone star before a slash takes the rest of this folder's name.
        t = text.indexOf('/', t);
        if (t === -1) return abortsAll;
        p = next;
      } else {
        // A backslash at the very end matches nothing.
        if (wanted === '\\') wanted = pattern[++p] ?? '';
        if (text[t] !== wanted) return fails;
      }
    }
    return t < text.length ? fails : matches;
  }

  /** Whether a run of stars has a slash, or nothing, on either side. */
  #standsBetweenSlashes(p: number, next: number, start: number): boolean {
    const pattern = this.#pattern;
    const opens = p === start || pattern[p - 1] === '/';
    return opens && (next === pattern.length || pattern[next] === '/' || pattern.startsWith('\\/', next));
  }

  /** Lets a star take more and more of the text, until what follows it matches. */
  #star(next: number, textStart: number, crossing: boolean): Outcome {
    const text = this.#text;
    const wanted = this.#pattern[next]!;
    for (let t = textStart; t < text.length; t++) {
      if (!isSpecial(wanted)) {
        while (t < text.length && text[t] !== wanted && (crossing || text[t] !== '/')) t++;
        if (text[t] !== wanted) return crossing ? abortsAll : abortsToDoubleStar;
      }
      const outcome = this.from(next, t);
      if (outcome !== fails) {
        if (!crossing || outcome !== abortsToDoubleStar) return outcome;
      } else if (!crossing && text[t] === '/') return abortsToDoubleStar;
    }
    return abortsAll;
  }
}

/** The bytes of `[:name:]`, in ASCII alone. */
const namedClasses: Record<string, RegExp> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
};

/**
 * Reads a class such as `[a-z]`, `[!x]`, `[[:digit:]]`.
 * @returns whether the byte is in it and where its closing bracket is; undefined when it has none.
 */
function readClass(pattern: string, open: number, byte: string): { has: boolean; end: number } | undefined {
  let p = open + 1;
  const negated = pattern[p] === '!' || pattern[p] === '^';
  if (negated) p++;
  let has = false;
  /** The byte a range may begin with; none behind a range or a named class. */
  let previous = '';
  do {
    let current = pattern[p];
    const next = pattern[p + 1];
    if (current === '\\') {
      current = pattern[++p];
      has ||= current === byte;
    } else if (current === '-' && previous !== '' && next !== undefined && next !== ']') {
      const last = next === '\\' ? pattern[++p + 1] : next;
      if (last === undefined) return undefined;
      p++;
      has ||= previous <= byte && byte <= last;
      current = '';
    } else if (current === '[' && next === ':') {
      const end = pattern.indexOf(']', p + 2);
      if (end === -1) return undefined;
      if (end > p + 2 && pattern[end - 1] === ':') {
        const name = namedClasses[pattern.slice(p + 2, end - 1)];
        if (name === undefined) return undefined;
        has ||= name.test(byte);
        p = end;
        current = '';
      } else has ||= byte === '[';
    } else has ||= current === byte;
    if (current === undefined) return undefined;
    previous = current;
    p++;
  } while (pattern[p] !== ']');
  return { has: has !== negated, end: p };
}
