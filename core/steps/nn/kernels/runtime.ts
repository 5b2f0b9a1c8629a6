/** The wasm backend of TensorFlow.js as the kernels see it: addresses of tensors, outputs, scratch memory. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { StepError } from '../../../model/step.ts';
import { compileKernels, instantiateKernels, type KernelExports } from './exports.ts';
import { KernelThreads } from './threads.ts';

/** What TensorFlow.js's wasm module has besides what its types say. */
interface WasmModule {
  asm?: Partial<Record<'memory' | 'malloc' | 'free', unknown>>;
  /** Of the build for threads, whose memory is not part of `asm`. */
  wasmMemory?: unknown;
  /** What its tensors are allocated with. */
  _malloc: (bytes: number) => number;
}

/** The memory TensorFlow.js keeps its tensors in. */
interface Heap {
  readonly memory: WebAssembly.Memory;
  /**
   * Gives the address of so many bytes.
   * @throws {StepError} when the memory is used up.
   */
  allocate(bytes: number): number;
  free(address: number): void;
}

/** Takes over a backend's memory: from now on it says so when the memory is used up, instead of writing to address 0. */
function heapOf(backend: BackendWasm): Heap {
  const wasm = backend.wasm as unknown as WasmModule;
  const memory = wasm.asm?.memory ?? wasm.wasmMemory;
  const { malloc, free } = wasm.asm ?? {};
  if (
    !(memory instanceof WebAssembly.Memory) ||
    typeof malloc !== 'function' ||
    typeof free !== 'function' ||
    typeof wasm._malloc !== 'function'
  )
    throw new Error('this version of @tensorflow/tfjs-backend-wasm does not show its memory');
  const allocate = (bytes: number) => {
    // A number of bytes beyond 32 bits would lose its upper part on the way.
    const address: number = bytes < 2 ** 32 ? malloc(bytes) >>> 0 : 0;
    if (address === 0)
      throw new StepError(
        'the 4 GB that WebAssembly can address are used up',
        'take a smaller batch, smaller images, or cut the network at an earlier layer (until)',
      );
    return address;
  };
  wasm._malloc = allocate;
  return { memory, allocate, free: (address) => free(address) };
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
    return this.#backend.makeOutput(shape, 'float32');
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
      this.#scratchBytes = 0;
      this.#scratchAddress = this.#heap.allocate(bytes);
      this.#scratchBytes = bytes;
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
