// Batch normalisation over the rows of [rows, channels], optionally followed by ReLU. Each function works on the
// channels `from` to `to` alone, multiples of 4: channels do not know of each other.
// Source: Ioffe and Szegedy 2015, arXiv:1502.03167.
import { at, atRow, least } from './address';

/** Rows summed before their sum is added to the total, so that rounding errors grow with the blocks alone. */
const SUM_ROWS: i32 = 128;

@inline
function clear(out: usize, from: i32, to: i32): void {
  for (let c = from; c < to; c += 4) v128.store(at(out, c), f32x4.splat(0));
}

/** Adds the partial sums to the totals and clears them. */
@inline
function flush(partial: usize, total: usize, from: i32, to: i32): void {
  for (let c = from; c < to; c += 4) {
    v128.store(at(total, c), f32x4.add(v128.load(at(total, c)), v128.load(at(partial, c))));
    v128.store(at(partial, c), f32x4.splat(0));
  }
}

@inline
function scale(out: usize, factor: f32, from: i32, to: i32): void {
  for (let c = from; c < to; c += 4) {
    v128.store(at(out, c), f32x4.mul(v128.load(at(out, c)), f32x4.splat(factor)));
  }
}

/** Mean and population variance of each channel, in two passes. Scratch: `channels` numbers. */
export function moments(
  x: usize,
  mean: usize,
  variance: usize,
  scratch: usize,
  rows: i32,
  channels: i32,
  from: i32,
  to: i32,
): void {
  clear(mean, from, to);
  clear(variance, from, to);
  clear(scratch, from, to);
  for (let row = 0; row < rows; ) {
    const end = least(row + SUM_ROWS, rows);
    for (; row < end; row++) {
      const r = atRow(x, row, channels, 0);
      for (let c = from; c < to; c += 4) {
        v128.store(at(scratch, c), f32x4.add(v128.load(at(scratch, c)), v128.load(at(r, c))));
      }
    }
    flush(scratch, mean, from, to);
  }
  scale(mean, <f32>1 / <f32>rows, from, to);
  for (let row = 0; row < rows; ) {
    const end = least(row + SUM_ROWS, rows);
    for (; row < end; row++) {
      const r = atRow(x, row, channels, 0);
      for (let c = from; c < to; c += 4) {
        const d = f32x4.sub(v128.load(at(r, c)), v128.load(at(mean, c)));
        v128.store(at(scratch, c), f32x4.add(v128.load(at(scratch, c)), f32x4.mul(d, d)));
      }
    }
    flush(scratch, variance, from, to);
  }
  scale(variance, <f32>1 / <f32>rows, from, to);
}

/** y = x · factor + offset per channel, at least 0 when `relu`. `y` may be `x`. */
export function scaleShift(
  x: usize,
  factor: usize,
  offset: usize,
  y: usize,
  rows: i32,
  channels: i32,
  from: i32,
  to: i32,
  relu: bool,
): void {
  const lowest = f32x4.splat(relu ? 0 : -Infinity);
  for (let row = 0; row < rows; row++) {
    const r = atRow(x, row, channels, 0);
    const o = atRow(y, row, channels, 0);
    for (let c = from; c < to; c += 4) {
      const v = f32x4.add(f32x4.mul(v128.load(at(r, c)), v128.load(at(factor, c))), v128.load(at(offset, c)));
      v128.store(at(o, c), f32x4.pmax(v, lowest));
    }
  }
}

/**
 * Normalises with the batch's own statistics: y = γ · (x − mean) / √(variance + ε) + β, at least 0 when `relu`.
 * Scratch: 2 · `channels` numbers.
 */
export function batchNorm(
  x: usize,
  gamma: usize,
  beta: usize,
  y: usize,
  mean: usize,
  variance: usize,
  scratch: usize,
  rows: i32,
  channels: i32,
  from: i32,
  to: i32,
  epsilon: f32,
  relu: bool,
): void {
  const factor = scratch;
  const offset = at(scratch, channels);
  moments(x, mean, variance, scratch, rows, channels, from, to);
  for (let c = from; c < to; c++) {
    const f = load<f32>(at(gamma, c)) / sqrt<f32>(load<f32>(at(variance, c)) + epsilon);
    store<f32>(at(factor, c), f);
    store<f32>(at(offset, c), load<f32>(at(beta, c)) - load<f32>(at(mean, c)) * f);
  }
  scaleShift(x, factor, offset, y, rows, channels, from, to, relu);
}

/** The gradient where the fused ReLU let the value pass, else 0. */
@inline
function masked(dy: usize, y: usize, c: i32, relu: bool): v128 {
  const d = v128.load(at(dy, c));
  return relu ? v128.and(d, f32x4.gt(v128.load(at(y, c)), f32x4.splat(0))) : d;
}

/** Gradients of `batchNorm` with respect to x, γ and β. Scratch: 3 · `channels` numbers. */
export function batchNormBack(
  dy: usize,
  x: usize,
  y: usize,
  gamma: usize,
  mean: usize,
  variance: usize,
  dx: usize,
  dgamma: usize,
  dbeta: usize,
  scratch: usize,
  rows: i32,
  channels: i32,
  from: i32,
  to: i32,
  epsilon: f32,
  relu: bool,
): void {
  const partialBeta = scratch;
  const partialGamma = at(scratch, channels);
  clear(dgamma, from, to);
  clear(dbeta, from, to);
  clear(partialBeta, from, to);
  clear(partialGamma, from, to);
  for (let row = 0; row < rows; ) {
    const end = least(row + SUM_ROWS, rows);
    for (; row < end; row++) {
      const d = atRow(dy, row, channels, 0);
      const r = atRow(x, row, channels, 0);
      const o = atRow(y, row, channels, 0);
      for (let c = from; c < to; c += 4) {
        const g = masked(d, o, c, relu);
        v128.store(at(partialBeta, c), f32x4.add(v128.load(at(partialBeta, c)), g));
        const centred = f32x4.sub(v128.load(at(r, c)), v128.load(at(mean, c)));
        v128.store(at(partialGamma, c), f32x4.add(v128.load(at(partialGamma, c)), f32x4.mul(g, centred)));
      }
    }
    flush(partialBeta, dbeta, from, to);
    flush(partialGamma, dgamma, from, to);
  }
  // dx = a · dy + b · x + c, with one a, b, c per channel.
  const factorDy = scratch;
  const factorX = at(scratch, channels);
  const offset = at(scratch, 2 * channels);
  const share = <f32>1 / <f32>rows;
  for (let c = from; c < to; c++) {
    const inverse = <f32>1 / sqrt<f32>(load<f32>(at(variance, c)) + epsilon);
    const dg = load<f32>(at(dgamma, c)) * inverse;
    const a = load<f32>(at(gamma, c)) * inverse;
    const b = -a * dg * share * inverse;
    store<f32>(at(dgamma, c), dg);
    store<f32>(at(factorDy, c), a);
    store<f32>(at(factorX, c), b);
    store<f32>(at(offset, c), -a * load<f32>(at(dbeta, c)) * share - b * load<f32>(at(mean, c)));
  }
  for (let row = 0; row < rows; row++) {
    const d = atRow(dy, row, channels, 0);
    const r = atRow(x, row, channels, 0);
    const o = atRow(y, row, channels, 0);
    const t = atRow(dx, row, channels, 0);
    for (let c = from; c < to; c += 4) {
      const fromDy = f32x4.mul(masked(d, o, c, relu), v128.load(at(factorDy, c)));
      const fromX = f32x4.mul(v128.load(at(r, c)), v128.load(at(factorX, c)));
      v128.store(at(t, c), f32x4.add(f32x4.add(fromDy, fromX), v128.load(at(offset, c))));
    }
  }
}
