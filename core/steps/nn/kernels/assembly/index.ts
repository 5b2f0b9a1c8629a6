// Training kernels for 32-bit numbers, built to kernels.wasm. The module imports a memory and has no data of its
// own: every address is handed in, and it touches nothing but what it is handed.
export { addBias, addRelu, adam, reluBack, sumRows } from './elementwise';
export { averagePool, averagePoolBack, maxPool, maxPoolBack } from './pool';
export { batchNorm, batchNormBack, scaleShift } from './batch-norm';
export {
  convolve,
  convolveBackInput,
  convolveBackKernel,
  convolveBackKernelScratchBytes,
  convolveScratchBytes,
  packKernel,
  packKernelTransposed,
  packedKernelBytes,
} from './convolution';
export { multiplyPanels } from './gemm';
