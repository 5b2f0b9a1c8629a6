// Matrix product of packed panels. Both factors are first copied into the order in which the innermost loop
// reads them: A as panels of 4 rows [rows/4][depth][4], B as panels of 8 columns [columns/8][depth][8], with
// zeros where the matrix ends early. The innermost loop then keeps a 4 × 8 block of the result in registers.
// Every element of the result is the sum of its products in ascending depth, in blocks of DEPTH_BLOCK, wherever
// the rows and columns are cut: the same numbers come out bit for bit however the work is shared.
// Source: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008.
import { at, atRow, least } from './address';

/** Depth multiplied at a time: a panel of 8 columns is then 8 KiB and stays in the first-level cache. */
export const DEPTH_BLOCK: i32 = 256;
/** Rows multiplied at a time: their panels are then 128 KiB and stay in the second-level cache. */
export const ROW_BLOCK: i32 = 128;
/** Bytes of scratch for the corner blocks of a product. */
export const CORNER_BYTES: i32 = 4 * 8 * 4;
/** Bytes of the packed rows of one block. */
export const ROW_PANEL_BYTES: i32 = ROW_BLOCK * DEPTH_BLOCK * 4;

/** Columns rounded up to whole panels. */
export function paddedColumns(columns: i32): i32 {
  return (columns + 7) & ~7;
}

/** Writes the 4 × 4 block at `source` transposed to 16 consecutive numbers. */
@inline
function transpose4(source: usize, stride: i32, out: usize): void {
  const step = (<usize>stride) << 2;
  const r0 = v128.load(source);
  const r1 = v128.load(source + step);
  const r2 = v128.load(source + 2 * step);
  const r3 = v128.load(source + 3 * step);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(out, v128.shuffle<i64>(low01, low23, 1, 3), 16);
  v128.store(out, v128.shuffle<i64>(high01, high23, 0, 2), 32);
  v128.store(out, v128.shuffle<i64>(high01, high23, 1, 3), 48);
}

/** Packs A [rows, depth], row-major with `stride`, into panels of 4 rows. */
export function packRows(a: usize, stride: i32, rows: i32, depth: i32, out: usize): void {
  for (let row = 0; row < rows; row += 4) {
    const source = atRow(a, row, stride, 0);
    const present = least(4, rows - row);
    let k = 0;
    if (present == 4) {
      for (; k + 4 <= depth; k += 4) {
        transpose4(at(source, k), stride, out);
        out += 64;
      }
    }
    for (; k < depth; k++) {
      for (let i = 0; i < 4; i++) {
        store<f32>(out, i < present ? load<f32>(atRow(source, i, stride, k)) : 0);
        out += 4;
      }
    }
  }
}

/** Packs the transpose of `a` [depth, rows], row-major with `stride`, into panels of 4 rows. */
export function packRowsTransposed(a: usize, stride: i32, rows: i32, depth: i32, out: usize): void {
  for (let row = 0; row < rows; row += 4) {
    const present = least(4, rows - row);
    if (present == 4) {
      for (let k = 0; k < depth; k++) {
        v128.store(out, v128.load(atRow(a, k, stride, row)));
        out += 16;
      }
      continue;
    }
    for (let k = 0; k < depth; k++) {
      for (let i = 0; i < 4; i++) {
        store<f32>(out, i < present ? load<f32>(atRow(a, k, stride, row + i)) : 0);
        out += 4;
      }
    }
  }
}

/** Packs B [depth, columns], row-major with `stride`, into panels of 8 columns. */
export function packColumns(b: usize, stride: i32, depth: i32, columns: i32, out: usize): void {
  for (let column = 0; column < columns; column += 8) {
    const present = least(8, columns - column);
    if (present == 8) {
      for (let k = 0; k < depth; k++) {
        const source = atRow(b, k, stride, column);
        v128.store(out, v128.load(source));
        v128.store(out, v128.load(source, 16), 16);
        out += 32;
      }
      continue;
    }
    for (let k = 0; k < depth; k++) {
      for (let j = 0; j < 8; j++) {
        store<f32>(out, j < present ? load<f32>(atRow(b, k, stride, column + j)) : 0);
        out += 4;
      }
    }
  }
}

/** Packs the transpose of `b` [columns, depth], row-major with `stride`, into panels of 8 columns. */
export function packColumnsTransposed(b: usize, stride: i32, depth: i32, columns: i32, out: usize): void {
  for (let column = 0; column < columns; column += 8) {
    const present = least(8, columns - column);
    for (let k = 0; k < depth; k++) {
      for (let j = 0; j < 8; j++) {
        store<f32>(out, j < present ? load<f32>(atRow(b, column + j, stride, k)) : 0);
        out += 4;
      }
    }
  }
}

/** Stores 8 numbers of a row of the result, or adds them to what is there. */
@inline
function put(c: usize, left: v128, right: v128, accumulate: bool): void {
  if (accumulate) {
    left = f32x4.add(left, v128.load(c));
    right = f32x4.add(right, v128.load(c, 16));
  }
  v128.store(c, left);
  v128.store(c, right, 16);
}

/** A 4 × 8 block of the result, from one panel of A and one of B. */
function block(a: usize, b: usize, c: usize, stride: i32, depth: i32, accumulate: bool): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  for (let k = 0; k < depth; k++) {
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
    a += 16;
    b += 32;
  }
  const step = (<usize>stride) << 2;
  put(c, c00, c01, accumulate);
  put(c + step, c10, c11, accumulate);
  put(c + 2 * step, c20, c21, accumulate);
  put(c + 3 * step, c30, c31, accumulate);
}

/** Copies or adds the part of a corner block that lies inside the result. */
function putCorner(corner: usize, c: usize, stride: i32, rows: i32, columns: i32, accumulate: bool): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const target = atRow(c, i, stride, j);
      const value = load<f32>(atRow(corner, i, 8, j));
      store<f32>(target, accumulate ? load<f32>(target) + value : value);
    }
  }
}

/**
 * Multiplies packed panels: C [rows, columns] = A · B, or C += A · B.
 * @param corner CORNER_BYTES of scratch.
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
  corner: usize,
): void {
  for (let column = 0; column < columns; column += 8) {
    const panel = atRow(b, column, depth, 0);
    const wide = least(8, columns - column);
    for (let row = 0; row < rows; row += 4) {
      const high = least(4, rows - row);
      const target = atRow(c, row, stride, column);
      if (wide == 8 && high == 4) {
        block(atRow(a, row, depth, 0), panel, target, stride, depth, accumulate);
      } else {
        block(atRow(a, row, depth, 0), panel, corner, 8, depth, false);
        putCorner(corner, target, stride, high, wide, accumulate);
      }
    }
  }
}
