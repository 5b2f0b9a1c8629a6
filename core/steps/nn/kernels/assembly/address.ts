// Addresses of 32-bit numbers. Every pointer of this module is a byte address in the imported memory.

/** Address of element `index` of the array of 32-bit numbers at `base`. */
@inline
export function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2);
}

/** Address of element (`row`, `column`) of a row-major matrix with `stride` elements from row to row. */
@inline
export function atRow(base: usize, row: i32, stride: i32, column: i32): usize {
  return base + ((<usize>row * <usize>stride + <usize>column) << 2);
}

/** The smaller of two numbers. */
@inline
export function least(a: i32, b: i32): i32 {
  return a < b ? a : b;
}
