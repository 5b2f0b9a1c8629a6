// Convolution and its two gradients as matrix products. An image batch [batch, height, width, channels] has one
// patch per output pixel: a row of size · size · channels numbers. With the patches as the rows of P and the
// kernel [size, size, channels, filters] as a matrix K: Y = P · K, dK = Pᵀ · dY, dP = dY · Kᵀ. Patches are
// gathered for one block of rows at a time, so scratch stays small whatever the size of the images; where the
// kernel is a single pixel of stride 1 the images are the patches already. Cells outside the image are zeros.
// A dense layer is the case of images of one pixel.
import { at, atRow, least } from './address';
import {
  BLOCK_BYTES,
  DEPTH_BLOCK,
  ROW_BLOCK,
  ROW_PANEL_BYTES,
  multiplyPacked,
  packColumns,
  packColumnsTransposed,
  packRows,
  packRowsTransposed,
  paddedColumns,
} from './gemm';

/** Whether the patches are the pixels themselves. */
@inline
function isPointwise(size: i32, stride: i32, pad: i32): bool {
  return size == 1 && stride == 1 && pad == 0;
}

@inline
function copy(source: usize, out: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(at(out, i), v128.load(at(source, i)));
  for (; i < count; i++) store<f32>(at(out, i), load<f32>(at(source, i)));
}

@inline
function zero(out: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(at(out, i), f32x4.splat(0));
  for (; i < count; i++) store<f32>(at(out, i), 0);
}

@inline
function addTo(source: usize, out: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    v128.store(at(out, i), f32x4.add(v128.load(at(out, i)), v128.load(at(source, i))));
  }
  for (; i < count; i++) store<f32>(at(out, i), load<f32>(at(out, i)) + load<f32>(at(source, i)));
}

/**
 * Copies columns `from` to `to` of the patches `rowBegin` to `rowEnd` to `out` [rowEnd − rowBegin, to − from].
 * A patch is `size` runs of size · channels numbers, each consecutive in one row of the image.
 */
function gatherPatches(
  x: usize,
  out: usize,
  rowBegin: i32,
  rowEnd: i32,
  from: i32,
  to: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  size: i32,
  stride: i32,
  pad: i32,
): void {
  const run = size * channels;
  const imageRow = width * channels;
  const pixels = outHeight * outWidth;
  for (let row = rowBegin; row < rowEnd; row++) {
    const image = row / pixels;
    const pixel = row - image * pixels;
    const top = (pixel / outWidth) * stride - pad;
    const left = ((pixel % outWidth) * stride - pad) * channels;
    for (let u = from / run; u * run < to; u++) {
      // The part of this run that is asked for, as offsets from the run's start.
      const begin = max(from - u * run, 0);
      const end = least(to - u * run, run);
      const y = top + u;
      if (y < 0 || y >= height) {
        zero(out, end - begin);
        out = at(out, end - begin);
        continue;
      }
      // The part of it inside the image.
      const first = least(max(begin, -left), end);
      const last = max(least(end, imageRow - left), first);
      zero(out, first - begin);
      copy(atRow(x, image * height + y, imageRow, left + first), at(out, first - begin), last - first);
      zero(at(out, last - begin), end - last);
      out = at(out, end - begin);
    }
  }
}

/** Adds the patches `rowBegin` to `rowEnd` to the pixels they were gathered from. */
function scatterPatches(
  patches: usize,
  x: usize,
  rowBegin: i32,
  rowEnd: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  size: i32,
  stride: i32,
  pad: i32,
): void {
  const run = size * channels;
  const imageRow = width * channels;
  const pixels = outHeight * outWidth;
  for (let row = rowBegin; row < rowEnd; row++) {
    const image = row / pixels;
    const pixel = row - image * pixels;
    const top = (pixel / outWidth) * stride - pad;
    const left = ((pixel % outWidth) * stride - pad) * channels;
    const first = max(-left, 0);
    const last = least(run, imageRow - left);
    for (let u = 0; u < size; u++) {
      const y = top + u;
      if (y >= 0 && y < height && last > first) {
        addTo(at(patches, first), atRow(x, image * height + y, imageRow, left + first), last - first);
      }
      patches = at(patches, run);
    }
  }
}

/** Bytes of a kernel [depth, filters] packed by `packKernel`. */
export function packedKernelBytes(depth: i32, filters: i32): i32 {
  return depth * paddedColumns(filters) * 4;
}

/** Packs a kernel [depth, filters] for `convolve`. */
export function packKernel(kernel: usize, packed: usize, depth: i32, filters: i32): void {
  for (let k = 0; k < depth; k += DEPTH_BLOCK) {
    const rows = least(DEPTH_BLOCK, depth - k);
    packColumns(atRow(kernel, k, filters, 0), filters, rows, filters, atRow(packed, k, paddedColumns(filters), 0));
  }
}

/** Packs the transpose of a kernel [depth, filters] for `convolveBackInput`. */
export function packKernelTransposed(kernel: usize, packed: usize, depth: i32, filters: i32): void {
  for (let k = 0; k < filters; k += DEPTH_BLOCK) {
    const rows = least(DEPTH_BLOCK, filters - k);
    packColumnsTransposed(at(kernel, k), filters, rows, depth, atRow(packed, k, paddedColumns(depth), 0));
  }
}

/** Bytes of scratch for `convolve` and `convolveBackInput`. */
export function convolveScratchBytes(channels: i32, size: i32): i32 {
  return BLOCK_BYTES + ROW_PANEL_BYTES + ROW_BLOCK * size * size * channels * 4;
}

/** Multiplies rows `a` [rows, depth] with a packed kernel: `c` [rows, columns]. */
function multiplyRows(
  a: usize,
  packed: usize,
  c: usize,
  rows: i32,
  columns: i32,
  depth: i32,
  spare: usize,
  panel: usize,
): void {
  for (let k = 0; k < depth; k += DEPTH_BLOCK) {
    const slice = least(DEPTH_BLOCK, depth - k);
    packRows(at(a, k), depth, rows, slice, panel);
    const b = atRow(packed, k, paddedColumns(columns), 0);
    multiplyPacked(panel, b, c, columns, rows, columns, slice, k > 0, spare);
  }
}

/** Output pixels `rowBegin` to `rowEnd` of a convolution with a kernel packed by `packKernel`. */
export function convolve(
  x: usize,
  packed: usize,
  y: usize,
  scratch: usize,
  rowBegin: i32,
  rowEnd: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  stride: i32,
  pad: i32,
): void {
  const depth = size * size * channels;
  const panel = scratch + BLOCK_BYTES;
  const patches = panel + ROW_PANEL_BYTES;
  for (let row = rowBegin; row < rowEnd; row += ROW_BLOCK) {
    const end = least(row + ROW_BLOCK, rowEnd);
    let a = patches;
    if (isPointwise(size, stride, pad)) a = atRow(x, row, channels, 0);
    else
      gatherPatches(
        x, patches, row, end, 0, depth, height, width, channels, outHeight, outWidth, size, stride, pad,
      );
    multiplyRows(a, packed, atRow(y, row, filters, 0), end - row, filters, depth, scratch, panel);
  }
}

/**
 * Gradient of a convolution with respect to the images `imageBegin` to `imageEnd`, with a kernel packed by
 * `packKernelTransposed`.
 */
export function convolveBackInput(
  dy: usize,
  packed: usize,
  dx: usize,
  scratch: usize,
  imageBegin: i32,
  imageEnd: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  stride: i32,
  pad: i32,
): void {
  const columns = size * size * channels;
  const panel = scratch + BLOCK_BYTES;
  const patches = panel + ROW_PANEL_BYTES;
  const pointwise = isPointwise(size, stride, pad);
  const rowEnd = imageEnd * outHeight * outWidth;
  if (!pointwise) {
    const pixels = height * width;
    const from = atRow(dx, imageBegin * pixels, channels, 0);
    memory.fill(from, 0, atRow(dx, imageEnd * pixels, channels, 0) - from);
  }
  for (let row = imageBegin * outHeight * outWidth; row < rowEnd; row += ROW_BLOCK) {
    const end = least(row + ROW_BLOCK, rowEnd);
    const c = pointwise ? atRow(dx, row, channels, 0) : patches;
    multiplyRows(atRow(dy, row, filters, 0), packed, c, end - row, columns, filters, scratch, panel);
    if (!pointwise)
      scatterPatches(
        patches, dx, row, end, height, width, channels, outHeight, outWidth, size, stride, pad,
      );
  }
}

/** Bytes of scratch for `convolveBackKernel`. */
export function convolveBackKernelScratchBytes(columns: i32, filters: i32): i32 {
  return BLOCK_BYTES + ROW_PANEL_BYTES + DEPTH_BLOCK * (paddedColumns(filters) + columns) * 4;
}

/**
 * Gradient of a convolution with respect to rows `from` to `to` of its kernel [size · size · channels, filters].
 * @param rows output pixels in all: batch · outHeight · outWidth.
 */
export function convolveBackKernel(
  x: usize,
  dy: usize,
  dk: usize,
  scratch: usize,
  from: i32,
  to: i32,
  rows: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  filters: i32,
  size: i32,
  stride: i32,
  pad: i32,
): void {
  const rowPanel = scratch + BLOCK_BYTES;
  const columnPanel = rowPanel + ROW_PANEL_BYTES;
  const patches = atRow(columnPanel, DEPTH_BLOCK, paddedColumns(filters), 0);
  const pointwise = isPointwise(size, stride, pad);
  for (let row = 0; row < rows; row += DEPTH_BLOCK) {
    const depth = least(DEPTH_BLOCK, rows - row);
    packColumns(atRow(dy, row, filters, 0), filters, depth, filters, columnPanel);
    let a = patches;
    let step = to - from;
    if (pointwise) {
      a = atRow(x, row, channels, from);
      step = channels;
    } else
      gatherPatches(
        x, patches, row, row + depth, from, to, height, width, channels, outHeight, outWidth, size, stride, pad,
      );
    for (let k = from; k < to; k += ROW_BLOCK) {
      const taken = least(ROW_BLOCK, to - k);
      packRowsTransposed(at(a, k - from), step, taken, depth, rowPanel);
      multiplyPacked(
        rowPanel, columnPanel, atRow(dk, k, filters, 0), filters, taken, filters, depth, row > 0, scratch,
      );
    }
  }
}
