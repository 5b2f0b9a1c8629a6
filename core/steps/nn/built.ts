/** Files that the build makes for this folder besides the compiled sources. */

/**
 * Where a file made by the build lies; the sources, when run unbuilt, find it in dist/ too.
 * @param name relative to this folder, e.g. `kernels/kernels.wasm`.
 */
export function builtFile(name: string): URL {
  const folder = import.meta.url.endsWith('.ts') ? '../../../dist/core/steps/nn/' : './';
  return new URL(folder + name, import.meta.url);
}
