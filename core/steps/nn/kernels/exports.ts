/** The functions of kernels.wasm and kernels-shared.wasm, and how the file is found and instantiated on a memory. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { distFile } from '../../../dist.ts';
import { StepError } from '../../../model/step.ts';

/** Height, width, channels, outHeight, outWidth, filters, size, stride, pad. */
export type ConvolutionSizes = [
  height: number,
  width: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  filters: number,
  size: number,
  stride: number,
  pad: number,
];

/** Height, width, channels, outHeight, outWidth, size, stride, pad. */
export type PoolSizes = [
  height: number,
  width: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  size: number,
  stride: number,
  pad: number,
];

/**
 * The exported functions; see the sources in `assembly/` for what each does. Arrays are byte addresses.
 * `from` and `to` bound the part of the work a call does.
 */
export interface KernelExports {
  addBias(y: number, bias: number, rows: number, columns: number): void;
  addRelu(a: number, b: number, out: number, from: number, to: number): void;
  adam(
    weights: number,
    mean: number,
    square: number,
    gradient: number,
    from: number,
    to: number,
    learningRate: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    meanCorrection: number,
    squareCorrection: number,
  ): void;
  averagePool(x: number, y: number, batch: number, pixels: number, channels: number): void;
  averagePoolBack(dy: number, dx: number, batch: number, pixels: number, channels: number): void;
  batchNorm(
    x: number,
    gamma: number,
    beta: number,
    y: number,
    mean: number,
    variance: number,
    scratch: number,
    rows: number,
    channels: number,
    from: number,
    to: number,
    epsilon: number,
    relu: number,
  ): void;
  batchNormBack(
    dy: number,
    x: number,
    y: number,
    gamma: number,
    mean: number,
    variance: number,
    dx: number,
    dgamma: number,
    dbeta: number,
    scratch: number,
    rows: number,
    channels: number,
    from: number,
    to: number,
    epsilon: number,
    relu: number,
  ): void;
  convolve(
    x: number,
    packed: number,
    y: number,
    scratch: number,
    rowBegin: number,
    rowEnd: number,
    ...sizes: ConvolutionSizes
  ): void;
  convolveBackInput(
    dy: number,
    packed: number,
    dx: number,
    scratch: number,
    imageBegin: number,
    imageEnd: number,
    ...sizes: ConvolutionSizes
  ): void;
  convolveBackKernel(
    x: number,
    dy: number,
    dk: number,
    scratch: number,
    from: number,
    to: number,
    rows: number,
    ...sizes: ConvolutionSizes
  ): void;
  convolveBackKernelScratchBytes(columns: number, filters: number): number;
  convolveScratchBytes(channels: number, size: number): number;
  maxPool(x: number, y: number, from: number, to: number, ...sizes: PoolSizes): void;
  maxPoolBack(x: number, dy: number, dx: number, from: number, to: number, ...sizes: PoolSizes): void;
  packKernel(kernel: number, packed: number, depth: number, filters: number): void;
  packKernelTransposed(kernel: number, packed: number, depth: number, filters: number): void;
  packedKernelBytes(depth: number, filters: number): number;
  reluBack(dy: number, y: number, out: number, from: number, to: number): void;
  scaleShift(
    x: number,
    factor: number,
    offset: number,
    y: number,
    rows: number,
    channels: number,
    from: number,
    to: number,
    relu: number,
  ): void;
  sumRows(x: number, out: number, rows: number, columns: number): void;
}

/** The functions in the order in which threads number them. */
export const kernelNames = [
  'addBias',
  'addRelu',
  'adam',
  'averagePool',
  'averagePoolBack',
  'batchNorm',
  'batchNormBack',
  'convolve',
  'convolveBackInput',
  'convolveBackKernel',
  'convolveBackKernelScratchBytes',
  'convolveScratchBytes',
  'maxPool',
  'maxPoolBack',
  'packKernel',
  'packKernelTransposed',
  'packedKernelBytes',
  'reluBack',
  'scaleShift',
  'sumRows',
] as const satisfies readonly (keyof KernelExports)[];

/**
 * Reads and compiles the kernels.
 * @param shared for a memory that threads share.
 * @throws {StepError} when the file is missing.
 */
export async function compileKernels(shared: boolean): Promise<WebAssembly.Module> {
  const url = distFile(`built/kernels/${shared ? 'kernels-shared' : 'kernels'}.wasm`);
  const bytes = await readFile(url).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new StepError(
        `the training kernels ${fileURLToPath(url)} are missing`,
        'npm run build, or install dv again',
      );
    throw error;
  });
  return WebAssembly.compile(bytes);
}

/** Puts compiled kernels to work on a memory. They have no data of their own and touch only what they are handed. */
export function instantiateKernels(compiled: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  for (const name of kernelNames)
    if (typeof exports[name] !== 'function') throw new Error(`kernels.wasm has no ${name}`);
  return exports as unknown as KernelExports;
}
