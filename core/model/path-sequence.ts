/** The rules a tree's paths keep together, checked as the paths come: no disk and no list is needed. */
import { quote } from './quote.ts';
import { compareUnits, pathProblemFrom } from './repo-path.ts';

/** Checks paths one after another: each is valid, comes after the last, and no file is also a folder. */
export class PathSequence {
  #previous: string | undefined;
  /** Lengths of earlier paths that the latest path begins with; nearly always empty. */
  readonly #prefixes: number[] = [];

  /** The path added last; undefined before the first. */
  get previous(): string | undefined {
    return this.#previous;
  }

  /**
   * Adds the next path.
   * @returns why it may not come next, or undefined when it may; after a reason the sequence is of no use.
   */
  add(path: string): string | undefined {
    const previous = this.#previous ?? '';
    const most = Math.min(previous.length, path.length);
    let common = 0;
    let partStart = 0;
    for (; common < most; common++) {
      const unit = path.charCodeAt(common);
      if (unit !== previous.charCodeAt(common)) break;
      if (unit === 47) partStart = common + 1;
    }
    const problem = pathProblemFrom(path, partStart);
    if (problem !== undefined) return `the path ${quote(path)} is not allowed: ${problem}`;

    if (this.#previous !== undefined) {
      if (common === previous.length && common === path.length) {
        return `the path ${quote(path)} stands here twice`;
      }
      const isAfter =
        common < most
          ? compareUnits(previous.charCodeAt(common), path.charCodeAt(common)) < 0
          : path.length > previous.length;
      if (!isAfter) {
        return `the path ${quote(path)} is out of order: it belongs before ${quote(previous)}`;
      }
    }

    // In byte order, all paths that begin with a given one follow it without a gap.
    const prefixes = this.#prefixes;
    while (prefixes.length > 0 && prefixes[prefixes.length - 1]! > common) prefixes.pop();
    if (common === previous.length && common > 0) prefixes.push(common);
    for (const length of prefixes) {
      if (path.charCodeAt(length) === 47) {
        return `${quote(path.slice(0, length))} is listed as a file and as a folder`;
      }
    }
    this.#previous = path;
    return undefined;
  }
}
