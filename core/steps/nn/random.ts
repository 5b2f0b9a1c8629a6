/** Seeded random numbers. Each use draws from a stream of its own, so that one use more does not shift the others. */

/** A stream of random numbers: each call gives the next, uniform in 0 ≤ x < 1, a multiple of 2⁻³². */
export type Random = () => number;

/** 32-bit FNV-1a. Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  return state;
}

/** Spreads one number over a sequence of well-mixed ones. Source: Steele et al. 2014, SplittableRandom. */
function mixer(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

/**
 * Opens the stream of random numbers that belongs to a seed and a purpose.
 * Source: xoshiro128**, Blackman and Vigna 2021, arXiv:1805.01407.
 * @param seed 0 or more, at most 2⁵³ − 1.
 * @param purpose what the numbers are for, e.g. `shuffle 3`.
 */
export function random(seed: number, purpose: string): Random {
  const mix = mixer(hash(`${seed} ${purpose}`));
  let [a, b, c, d] = [mix(), mix(), mix(), mix()];
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result / 2 ** 32;
  };
}

/** Gives the items in a random order; the argument stays as it is. Fisher and Yates. */
export function shuffled<Item>(items: readonly Item[], draw: Random): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const chosen = Math.floor(draw() * (last + 1));
    const item = result[last]!;
    result[last] = result[chosen]!;
    result[chosen] = item;
  }
  return result;
}
