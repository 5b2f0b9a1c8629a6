/** Random numbers that are the same for the same seed, on any machine and in any order of use. */
import { createHash } from 'node:crypto';

/**
 * A stream of random numbers given by a seed and what it is for, so that each image, epoch or file has its own
 * stream and none depends on how many numbers another has drawn.
 *
 * The generator is sfc32 (Chris Doty-Humphrey's Small Fast Counter, as in PractRand: 128 bits of state, passes
 * its tests), started from the SHA-256 of the parts.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter: number;
  /** The second of the two normal numbers that are made at once. */
  private spare: number | undefined;

  /** @param parts the seed and names; `new Random(1, 'noise', 'a.png')` differs from `new Random(1, 'noisea.png')`. */
  constructor(...parts: readonly (number | string)[]) {
    const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
    this.a = digest.readInt32LE(0);
    this.b = digest.readInt32LE(4);
    this.c = digest.readInt32LE(8);
    this.counter = digest.readInt32LE(12);
  }

  /** The next number as unsigned 32-bit integer. */
  uint32(): number {
    const result = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** The next number in [0, 1), of 2^32 equally likely ones. */
  next(): number {
    return this.uint32() / 2 ** 32;
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A whole number from 0 to count − 1; count at most 2^32. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A normally distributed number with mean 0 and standard deviation 1 (Box and Muller 1958). */
  normal(): number {
    if (this.spare !== undefined) {
      const normal = this.spare;
      this.spare = undefined;
      return normal;
    }
    // 1 − next() is in (0, 1], where the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** The items in random order (Fisher and Yates), as a new array. */
  shuffled<Item>(items: readonly Item[]): Item[] {
    const result = [...items];
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [result[last], result[other]] = [result[other]!, result[last]!];
    }
    return result;
  }
}
