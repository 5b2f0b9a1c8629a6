// Matrix product of packed panels. Both factors are first copied into the order in which the innermost loop
// reads them: A as panels of 5 rows [rows/5][depth][5], B as panels of 8 columns [columns/8][depth][8], with
// zeros where the matrix ends early. The innermost loop then keeps a 5 × 8 block of the result in 10 registers;
// with one number of A, eight of B and a product that fills 14 of the 15 that V8 has on x86-64. Measured on whole
// convolutions (Zen 5, Node 20, 22 and 24, GFLOP/s): 5 × 8 53, 4 × 8 45; 6 × 8 and unrolled loops 24 to 35, as V8
// then keeps part of the block in memory.
// Every element of the result is the sum of its products in ascending depth, in blocks of DEPTH_BLOCK, wherever
// the rows and columns are cut: the same numbers come out bit for bit however the work is shared.
// Source: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008.
import { at, atRow, least } from './address';

/** Depth multiplied at a time: a panel of 8 columns is then 8 KiB and stays in the first-level cache. */
export const DEPTH_BLOCK: i32 = 256;
/** Rows of a panel of A. */
const HIGH: i32 = 5;
/** Columns of a panel of B. */
const WIDE: i32 = 8;
/** Rows multiplied at a time, whole panels: they are then 125 KiB and stay in the second-level cache. */
export const ROW_BLOCK: i32 = 25 * HIGH;
/** Bytes of one block of the result. */
export const BLOCK_BYTES: i32 = HIGH * WIDE * 4;
/** Bytes of the packed rows of one block. */
export const ROW_PANEL_BYTES: i32 = ROW_BLOCK * DEPTH_BLOCK * 4;

/** Columns rounded up to whole panels. */
export function paddedColumns(columns: i32): i32 {
  return (columns + WIDE - 1) & -WIDE;
}

/** Packs four columns of five rows of A: four groups of five numbers. */
@inline
function packFive(source: usize, stride: i32, out: usize): void {
  const step = (<usize>stride) << 2;
  const r0 = v128.load(source);
  const r1 = v128.load(source + step);
  const r2 = v128.load(source + 2 * step);
  const r3 = v128.load(source + 3 * step);
  const r4 = v128.load(source + 4 * step);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store_lane<f32>(out, r4, 0, 16);
  v128.store(out, v128.shuffle<i64>(low01, low23, 1, 3), 20);
  v128.store_lane<f32>(out, r4, 1, 36);
  v128.store(out, v128.shuffle<i64>(high01, high23, 0, 2), 40);
  v128.store_lane<f32>(out, r4, 2, 56);
  v128.store(out, v128.shuffle<i64>(high01, high23, 1, 3), 60);
  v128.store_lane<f32>(out, r4, 3, 76);
}

/** Packs A [rows, depth], row-major with `stride`, into panels. */
export function packRows(a: usize, stride: i32, rows: i32, depth: i32, out: usize): void {
  for (let row = 0; row < rows; row += HIGH) {
    const source = atRow(a, row, stride, 0);
    const present = least(HIGH, rows - row);
    let k = 0;
    if (present == HIGH) {
      for (; k + 4 <= depth; k += 4) {
        packFive(at(source, k), stride, out);
        out += 4 * HIGH * 4;
      }
    }
    for (; k < depth; k++) {
      for (let i = 0; i < HIGH; i++) {
        store<f32>(out, i < present ? load<f32>(atRow(source, i, stride, k)) : 0);
        out += 4;
      }
    }
  }
}

/** Packs the transpose of `a` [depth, rows], row-major with `stride`, into panels. */
export function packRowsTransposed(a: usize, stride: i32, rows: i32, depth: i32, out: usize): void {
  for (let row = 0; row < rows; row += HIGH) {
    const present = least(HIGH, rows - row);
    if (present == HIGH) {
      for (let k = 0; k < depth; k++) {
        const source = atRow(a, k, stride, row);
        v128.store(out, v128.load(source));
        store<f32>(out, load<f32>(source, 16), 16);
        out += HIGH * 4;
      }
      continue;
    }
    for (let k = 0; k < depth; k++) {
      for (let i = 0; i < HIGH; i++) {
        store<f32>(out, i < present ? load<f32>(atRow(a, k, stride, row + i)) : 0);
        out += 4;
      }
    }
  }
}

/** Packs B [depth, columns], row-major with `stride`, into panels. */
export function packColumns(b: usize, stride: i32, depth: i32, columns: i32, out: usize): void {
  for (let column = 0; column < columns; column += WIDE) {
    const present = least(WIDE, columns - column);
    if (present == WIDE) {
      for (let k = 0; k < depth; k++) {
        const source = atRow(b, k, stride, column);
        v128.store(out, v128.load(source));
        v128.store(out, v128.load(source, 16), 16);
        out += 32;
      }
      continue;
    }
    for (let k = 0; k < depth; k++) {
      for (let j = 0; j < WIDE; j++) {
        store<f32>(out, j < present ? load<f32>(atRow(b, k, stride, column + j)) : 0);
        out += 4;
      }
    }
  }
}

/** Packs the transpose of `b` [columns, depth], row-major with `stride`, into panels. */
export function packColumnsTransposed(b: usize, stride: i32, depth: i32, columns: i32, out: usize): void {
  for (let column = 0; column < columns; column += WIDE) {
    const present = least(WIDE, columns - column);
    for (let k = 0; k < depth; k++) {
      for (let j = 0; j < WIDE; j++) {
        store<f32>(out, j < present ? load<f32>(atRow(b, column + j, stride, k)) : 0);
        out += 4;
      }
    }
  }
}

/**
 * A 5 × 8 block of the result, from one panel of A and one of B. V8 keeps the block in registers as long as this
 * is a function of its own that does nothing else: exported, so that it is not inlined, and without a choice
 * between storing and adding.
 */
export function multiplyPanels(a: usize, b: usize, c: usize, stride: i32, depth: i32): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let c40 = c00;
  let c41 = c00;
  const end = atRow(b, depth, WIDE, 0);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(a0, b0));
    c01 = f32x4.add(c01, f32x4.mul(a0, b1));
    const a1 = v128.load32_splat(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(a1, b0));
    c11 = f32x4.add(c11, f32x4.mul(a1, b1));
    const a2 = v128.load32_splat(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(a2, b0));
    c21 = f32x4.add(c21, f32x4.mul(a2, b1));
    const a3 = v128.load32_splat(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(a3, b0));
    c31 = f32x4.add(c31, f32x4.mul(a3, b1));
    const a4 = v128.load32_splat(a, 16);
    c40 = f32x4.add(c40, f32x4.mul(a4, b0));
    c41 = f32x4.add(c41, f32x4.mul(a4, b1));
    a += HIGH * 4;
    b += WIDE * 4;
  }
  const step = (<usize>stride) << 2;
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += step;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += step;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += step;
  v128.store(c, c30);
  v128.store(c, c31, 16);
  c += step;
  v128.store(c, c40);
  v128.store(c, c41, 16);
}

/** Adds a whole block to the result. */
function addBlock(source: usize, c: usize, stride: i32): void {
  const step = (<usize>stride) << 2;
  for (let i = 0; i < HIGH; i++) {
    v128.store(c, f32x4.add(v128.load(c), v128.load(source)));
    v128.store(c, f32x4.add(v128.load(c, 16), v128.load(source, 16)), 16);
    c += step;
    source += WIDE * 4;
  }
}

/** Copies or adds the part of a block that lies inside the result. */
function putCorner(source: usize, c: usize, stride: i32, rows: i32, columns: i32, accumulate: bool): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const target = atRow(c, i, stride, j);
      const value = load<f32>(atRow(source, i, WIDE, j));
      store<f32>(target, accumulate ? load<f32>(target) + value : value);
    }
  }
}

/**
 * Multiplies packed panels: C [rows, columns] = A · B, or C += A · B.
 * @param spare BLOCK_BYTES of scratch.
 */
export function multiplyPacked(
  a: usize,
  b: usize,
  c: usize,
  stride: i32,
  rows: i32,
  columns: i32,
  depth: i32,
  accumulate: bool,
  spare: usize,
): void {
  for (let column = 0; column < columns; column += WIDE) {
    const panel = atRow(b, column, depth, 0);
    const wide = least(WIDE, columns - column);
    for (let row = 0; row < rows; row += HIGH) {
      const high = least(HIGH, rows - row);
      const target = atRow(c, row, stride, column);
      const whole = wide == WIDE && high == HIGH;
      const direct = whole && !accumulate;
      multiplyPanels(atRow(a, row, depth, 0), panel, direct ? target : spare, direct ? stride : WIDE, depth);
      if (direct) continue;
      if (whole) addBlock(spare, target, stride);
      else putCorner(spare, target, stride, high, wide, accumulate);
    }
  }
}
