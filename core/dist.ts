/** Where the build put what it made; the same from the sources, from a compiled module and from the bundled program. */

/**
 * A file made by the build.
 * @param name relative to `dist/`, e.g. `built/kernels/kernels.wasm`.
 */
export function distFile(name: string): URL {
  const here = import.meta.url;
  if (here.endsWith('.ts')) return new URL(`../dist/${name}`, here);
  const folder = '/dist/';
  return new URL(name, here.slice(0, here.lastIndexOf(folder) + folder.length));
}
