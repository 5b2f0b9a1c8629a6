// Pooling over images [batch, height, width, channels]. Channels are a multiple of 4.
import { at, atRow } from './address';

/**
 * Largest value of each window, for the images `from` to `to`. Cells outside the image count as 0, as the
 * zero padding before the pooling of ResNet50 makes them.
 */
export function maxPool(
  x: usize,
  y: usize,
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
  for (let image = from; image < to; image++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        const out = atRow(y, (image * outHeight + i) * outWidth + j, channels, 0);
        const top = i * stride - pad;
        const left = j * stride - pad;
        const inside = top >= 0 && left >= 0 && top + size <= height && left + size <= width;
        const lowest: f32 = inside ? -Infinity : 0;
        for (let c = 0; c < channels; c += 4) {
          let best = f32x4.splat(lowest);
          for (let v = max(top, 0); v < min(top + size, height); v++) {
            for (let u = max(left, 0); u < min(left + size, width); u++) {
              // Not pmax: a NaN must not disappear here.
              best = f32x4.max(best, v128.load(atRow(x, (image * height + v) * width + u, channels, c)));
            }
          }
          v128.store(at(out, c), best);
        }
      }
    }
  }
}

/** Adds the gradient in one lane to the cell it belongs to; −1 stands for the zero padding. */
@inline
function give(dx: usize, cell: i32, channels: i32, channel: i32, dy: f32): void {
  if (cell < 0) return;
  const target = atRow(dx, cell, channels, channel);
  store<f32>(target, load<f32>(target) + dy);
}

/**
 * Gradient of `maxPool`: each window hands its gradient to the first cell, row by row, that holds its largest
 * value; to none when that is the padding.
 */
export function maxPoolBack(
  x: usize,
  dy: usize,
  dx: usize,
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
  const begin = atRow(dx, from * height * width, channels, 0);
  memory.fill(begin, 0, atRow(dx, to * height * width, channels, 0) - begin);
  for (let image = from; image < to; image++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        const d = atRow(dy, (image * outHeight + i) * outWidth + j, channels, 0);
        const top = i * stride - pad;
        const left = j * stride - pad;
        const inside = top >= 0 && left >= 0 && top + size <= height && left + size <= width;
        const lowest: f32 = inside ? -Infinity : 0;
        for (let c = 0; c < channels; c += 4) {
          let best = f32x4.splat(lowest);
          let cells = i32x4.splat(-1);
          for (let v = max(top, 0); v < min(top + size, height); v++) {
            for (let u = max(left, 0); u < min(left + size, width); u++) {
              const cell = (image * height + v) * width + u;
              const value = v128.load(atRow(x, cell, channels, c));
              const larger = f32x4.gt(value, best);
              best = v128.bitselect(value, best, larger);
              cells = v128.bitselect(i32x4.splat(cell), cells, larger);
            }
          }
          give(dx, i32x4.extract_lane(cells, 0), channels, c, load<f32>(at(d, c)));
          give(dx, i32x4.extract_lane(cells, 1), channels, c + 1, load<f32>(at(d, c + 1)));
          give(dx, i32x4.extract_lane(cells, 2), channels, c + 2, load<f32>(at(d, c + 2)));
          give(dx, i32x4.extract_lane(cells, 3), channels, c + 3, load<f32>(at(d, c + 3)));
        }
      }
    }
  }
}

/** y [batch, channels] = mean over the pixels of x [batch, pixels, channels]. */
export function averagePool(x: usize, y: usize, batch: i32, pixels: i32, channels: i32): void {
  const share = f32x4.splat(<f32>1 / <f32>pixels);
  for (let image = 0; image < batch; image++) {
    for (let c = 0; c < channels; c += 4) {
      let sum = f32x4.splat(0);
      for (let pixel = 0; pixel < pixels; pixel++) {
        sum = f32x4.add(sum, v128.load(atRow(x, image * pixels + pixel, channels, c)));
      }
      v128.store(atRow(y, image, channels, c), f32x4.mul(sum, share));
    }
  }
}

/** Gradient of `averagePool`. */
export function averagePoolBack(dy: usize, dx: usize, batch: i32, pixels: i32, channels: i32): void {
  const share = f32x4.splat(<f32>1 / <f32>pixels);
  for (let image = 0; image < batch; image++) {
    for (let c = 0; c < channels; c += 4) {
      const d = f32x4.mul(v128.load(atRow(dy, image, channels, c)), share);
      for (let pixel = 0; pixel < pixels; pixel++) {
        v128.store(atRow(dx, image * pixels + pixel, channels, c), d);
      }
    }
  }
}
