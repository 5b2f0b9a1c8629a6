/** The wasm backend of TensorFlow.js as the kernels see it: addresses of tensors, outputs, scratch memory. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { StepError } from '../../../model/step.ts';
import { instantiateKernels, type KernelExports } from './exports.ts';

/** What TensorFlow.js's wasm module has besides what its types say. */
interface Heap {
  readonly memory: WebAssembly.Memory;
  /** Gives the address of so many bytes as a signed number, or 0. */
  malloc(bytes: number): number;
  free(address: number): void;
}

/** The memory TensorFlow.js keeps its tensors in. */
function heapOf(backend: BackendWasm): Heap {
  const { asm } = backend.wasm as unknown as { asm?: Partial<Record<keyof Heap, unknown>> };
  if (
    asm?.memory instanceof WebAssembly.Memory &&
    typeof asm.malloc === 'function' &&
    typeof asm.free === 'function'
  )
    return asm as Heap;
  throw new Error('this version of @tensorflow/tfjs-backend-wasm does not show its memory');
}

/** Cuts 0 … total into at most `parts` ranges whose inner ends are multiples of `unit`. */
export function ranges(total: number, parts: number, unit = 1): [from: number, to: number][] {
  const units = Math.ceil(total / unit);
  const count = Math.max(1, Math.min(parts, units));
  return Array.from({ length: count }, (_, part) => [
    Math.min(total, Math.floor((units * part) / count) * unit),
    Math.min(total, Math.floor((units * (part + 1)) / count) * unit),
  ]);
}

/** The kernels on the backend's memory. */
export class KernelRuntime {
  readonly kernels: KernelExports;
  readonly #backend: BackendWasm;
  readonly #heap: Heap;
  #scratchAddress = 0;
  #scratchBytes = 0;

  /** How many parts work is worth cutting into. */
  readonly threads = 1;

  constructor(backend: BackendWasm, compiled: WebAssembly.Module) {
    this.#backend = backend;
    this.#heap = heapOf(backend);
    this.kernels = instantiateKernels(compiled, this.#heap.memory);
  }

  /** Where a tensor's numbers are, in bytes from the start of the memory. */
  address(tensor: TensorInfo): number {
    return this.#backend.getMemoryOffset(tensor.dataId);
  }

  /**
   * A tensor to write to; its numbers are whatever was there.
   * @throws {StepError} when the memory is used up.
   */
  output(shape: number[]): TensorInfo {
    const tensor = this.#backend.makeOutput(shape, 'float32');
    if (this.address(tensor) === 0) throw outOfMemory();
    return tensor;
  }

  /** Runs one kernel once for each list of arguments; the calls write to different places. */
  run<Name extends keyof KernelExports>(name: Name, calls: Parameters<KernelExports[Name]>[]): void {
    const kernel = this.kernels[name] as (...args: number[]) => void;
    for (const call of calls) kernel(...call);
  }

  /**
   * Memory for intermediate results, valid until the next call.
   * @throws {StepError} when the memory is used up.
   */
  scratch(bytes: number): number {
    if (bytes > this.#scratchBytes) {
      if (this.#scratchAddress) this.#heap.free(this.#scratchAddress);
      this.#scratchAddress = this.#heap.malloc(bytes) >>> 0;
      this.#scratchBytes = this.#scratchAddress ? bytes : 0;
      if (!this.#scratchAddress) throw outOfMemory();
    }
    return this.#scratchAddress;
  }

  /** A view of a float32 tensor's numbers, valid until the memory grows: until the next output. */
  numbers(tensor: TensorInfo): Float32Array {
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    return new Float32Array(this.#heap.memory.buffer, this.address(tensor), count);
  }

  /** A view of an int32 tensor's numbers, valid until the next output. */
  integers(tensor: TensorInfo): Int32Array {
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    return new Int32Array(this.#heap.memory.buffer, this.address(tensor), count);
  }
}

const outOfMemory = () =>
  new StepError(
    'the 4 GB that WebAssembly can address are used up',
    'take a smaller batch, smaller images, or cut the network at an earlier layer (until)',
  );
