// Sums with ReLU, biases, and the optimiser: work that looks at each number once.
import { at, atRow } from './address';

/** out = max(a + b, 0) for the numbers `from` to `to`. */
export function addRelu(a: usize, b: usize, out: usize, from: i32, to: i32): void {
  const zero = f32x4.splat(0);
  let i = from;
  for (; i + 4 <= to; i += 4) {
    v128.store(at(out, i), f32x4.pmax(f32x4.add(v128.load(at(a, i)), v128.load(at(b, i))), zero));
  }
  for (; i < to; i++) {
    const v = load<f32>(at(a, i)) + load<f32>(at(b, i));
    store<f32>(at(out, i), v < 0 ? 0 : v);
  }
}

/** out = dy where y > 0, else 0, for the numbers `from` to `to`: the gradient of ReLU. */
export function reluBack(dy: usize, y: usize, out: usize, from: i32, to: i32): void {
  const zero = f32x4.splat(0);
  let i = from;
  for (; i + 4 <= to; i += 4) {
    v128.store(at(out, i), v128.and(v128.load(at(dy, i)), f32x4.gt(v128.load(at(y, i)), zero)));
  }
  for (; i < to; i++) store<f32>(at(out, i), load<f32>(at(y, i)) > 0 ? load<f32>(at(dy, i)) : 0);
}

/** Adds a bias [columns] to every row of y [rows, columns]. */
export function addBias(y: usize, bias: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) {
      const target = atRow(y, row, columns, c);
      store<f32>(target, load<f32>(target) + load<f32>(at(bias, c)));
    }
  }
}

/** out [columns] = sum of the rows of x [rows, columns]. */
export function sumRows(x: usize, out: usize, rows: i32, columns: i32): void {
  for (let c = 0; c < columns; c++) store<f32>(at(out, c), 0);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) {
      store<f32>(at(out, c), load<f32>(at(out, c)) + load<f32>(atRow(x, row, columns, c)));
    }
  }
}

/**
 * One step of Adam on the numbers `from` to `to`, in place.
 * Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
 * @param mean running mean of the gradient; updated.
 * @param square running mean of its square; updated.
 * @param meanCorrection 1 / (1 − beta1ᵗ) at step t.
 * @param squareCorrection 1 / (1 − beta2ᵗ).
 */
export function adam(
  weights: usize,
  mean: usize,
  square: usize,
  gradient: usize,
  from: i32,
  to: i32,
  learningRate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  meanCorrection: f32,
  squareCorrection: f32,
): void {
  let i = from;
  for (; i + 4 <= to; i += 4) {
    const g = v128.load(at(gradient, i));
    const m = f32x4.add(
      f32x4.mul(v128.load(at(mean, i)), f32x4.splat(beta1)),
      f32x4.mul(g, f32x4.splat(1 - beta1)),
    );
    const s = f32x4.add(
      f32x4.mul(v128.load(at(square, i)), f32x4.splat(beta2)),
      f32x4.mul(f32x4.mul(g, g), f32x4.splat(1 - beta2)),
    );
    v128.store(at(mean, i), m);
    v128.store(at(square, i), s);
    const step = f32x4.mul(f32x4.splat(learningRate), f32x4.mul(m, f32x4.splat(meanCorrection)));
    const size = f32x4.add(f32x4.sqrt(f32x4.mul(s, f32x4.splat(squareCorrection))), f32x4.splat(epsilon));
    v128.store(at(weights, i), f32x4.sub(v128.load(at(weights, i)), f32x4.div(step, size)));
  }
  for (; i < to; i++) {
    const g = load<f32>(at(gradient, i));
    const m = load<f32>(at(mean, i)) * beta1 + g * (1 - beta1);
    const s = load<f32>(at(square, i)) * beta2 + g * g * (1 - beta2);
    store<f32>(at(mean, i), m);
    store<f32>(at(square, i), s);
    const step = learningRate * (m * meanCorrection);
    store<f32>(at(weights, i), load<f32>(at(weights, i)) - step / (sqrt<f32>(s * squareCorrection) + epsilon));
  }
}
