/** The wasm backend of TensorFlow.js as the kernels see it: addresses of tensors, outputs, scratch memory. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { StepError } from '../../../model/step.ts';
import { compileKernels, instantiateKernels, type KernelExports } from './exports.ts';
import { KernelThreads } from './threads.ts';

/** What TensorFlow.js's wasm module has besides what its types say. */
interface Heap {
  readonly memory: WebAssembly.Memory;
  /** Gives the address of so many bytes as a signed number, or 0. */
  malloc(bytes: number): number;
  free(address: number): void;
}

/** The memory TensorFlow.js keeps its tensors in. */
function heapOf(backend: BackendWasm): Heap {
  const { asm, wasmMemory } = backend.wasm as unknown as {
    asm?: Partial<Record<keyof Heap, unknown>>;
    /** Of the build for threads, whose memory is not part of `asm`. */
    wasmMemory?: unknown;
  };
  const memory = asm?.memory ?? wasmMemory;
  if (
    memory instanceof WebAssembly.Memory &&
    typeof asm?.malloc === 'function' &&
    typeof asm.free === 'function'
  ) {
    const { malloc, free } = asm as Heap;
    return { memory, malloc, free };
  }
  throw new Error('this version of @tensorflow/tfjs-backend-wasm does not show its memory');
}

/** The calls of a kernel that writes to different places in each. */
type Calls<Name extends keyof KernelExports> = Parameters<KernelExports[Name]>[];

/** Numbers that are not worth handing to another thread: some microseconds of work. */
export const littleWork = 16_384;

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

  readonly #pool: KernelThreads | undefined;
  #threads: number;

  private constructor(
    backend: BackendWasm,
    heap: Heap,
    compiled: WebAssembly.Module,
    pool: KernelThreads | undefined,
  ) {
    this.#backend = backend;
    this.#heap = heap;
    this.#pool = pool;
    this.#threads = pool?.count ?? 1;
    this.kernels = instantiateKernels(compiled, heap.memory);
  }

  /** Puts the kernels to work on a backend; on several threads when its memory is shared. */
  static async start(backend: BackendWasm, threads: number): Promise<KernelRuntime> {
    const heap = heapOf(backend);
    const shared = heap.memory.buffer instanceof SharedArrayBuffer;
    const compiled = await compileKernels(shared);
    const pool = shared ? await KernelThreads.start(threads, compiled, heap.memory) : undefined;
    return new KernelRuntime(backend, heap, compiled, pool);
  }

  /** How many parts work is worth cutting into. */
  get threads(): number {
    return this.#threads;
  }

  /** Uses fewer threads than were started, or all of them again. */
  limitThreads(threads: number): void {
    this.#threads = Math.max(1, Math.min(threads, this.#pool?.count ?? 1));
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

  /** Runs one kernel once for each list of arguments, at most as many as `threads`. */
  run<Name extends keyof KernelExports>(name: Name, calls: Calls<Name>): void {
    const kernel = this.kernels[name] as (...args: number[]) => void;
    if (this.#pool && calls.length > 1) this.#pool.run(name, calls, kernel);
    else for (const call of calls) kernel(...call);
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
