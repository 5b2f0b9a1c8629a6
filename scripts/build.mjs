// Builds dist/: TypeScript, the AssemblyScript kernels, and libraries that load faster as one bundled file. Each part is
// skipped when nothing it is made from is newer than what it makes.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = new URL('..', import.meta.url);
const at = (name) => fileURLToPath(new URL(name, root));
const run = (script, args) =>
  execFileSync(process.execPath, [at(script), ...args], { cwd: fileURLToPath(root), stdio: 'inherit' });

/** The youngest modification time below the given files and folders, in milliseconds. */
function newest(names) {
  let youngest = 0;
  for (const name of names) {
    const path = at(name);
    if (!existsSync(path)) continue;
    const info = statSync(path);
    youngest = Math.max(youngest, info.mtimeMs);
    if (info.isDirectory())
      youngest = Math.max(youngest, newest(readdirSync(path).map((n) => `${name}/${n}`)));
  }
  return youngest;
}

function part(name, sources, make) {
  const stamp = at(`dist/.built-${name}`);
  if (
    existsSync(stamp) &&
    statSync(stamp).mtimeMs > newest([...sources, 'scripts/build.mjs', 'package-lock.json'])
  )
    return;
  make();
  writeFileSync(stamp, '');
}

/** Replaces a compiled module by one file that holds everything it imports: one read instead of dozens. */
function bundle(source, options = {}) {
  buildSync({
    entryPoints: [at(source)],
    outfile: at(`dist/${source.replace(/\.tsx?$/, '.js')}`),
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    legalComments: 'inline',
    logLevel: 'warning',
    ...options,
  });
}

/** The terminal view with Ink and React in it. What tsc made of its parts is of no use beside it. */
function bundleView() {
  const folder = at('dist/cli/tui');
  for (const name of readdirSync(folder)) rmSync(`${folder}/${name}`);
  bundle('cli/tui/view.tsx', {
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"' },
    alias: { 'react-devtools-core': at('cli/tui/no-devtools.ts') },
    // Some of what Ink brings still asks for Node's modules by require.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
}

mkdirSync(at('dist'), { recursive: true });

part('types', ['cli', 'core', 'remotes', 'hooks', 'demo', 'tsconfig.json', 'tsconfig.build.json'], () => {
  run('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.build.json']);
  chmodSync(at('dist/cli/main.js'), 0o755);
  bundle('cli/yargs.ts');
  bundleView();
});

// TensorFlow.js for Node comes without the gradients of its own operations, and what it has of them Node 20 cannot
// import. The bundle finds the engine that @tensorflow/tfjs-core has started, and registers them there.
part('gradients', [], () => {
  buildSync({
    entryPoints: ['@tensorflow/tfjs-core/dist/register_all_gradients.js'],
    outfile: at('dist/core/steps/nn/gradients.js'),
    absWorkingDir: fileURLToPath(root),
    ...{ bundle: true, minify: true, format: 'esm', platform: 'node', legalComments: 'eof' },
  });
});

part('kernels', ['core/steps/nn/kernels/assembly'], () => {
  const out = 'dist/core/steps/nn/kernels';
  mkdirSync(at(out), { recursive: true });
  const build = (file, ...flags) =>
    run('node_modules/assemblyscript/bin/asc.js', [
      'core/steps/nn/kernels/assembly/index.ts',
      ...['--outFile', `${out}/${file}`, '-O3', '--converge', '--enable', 'simd', ...flags],
      // They work on the memory of TensorFlow.js and bring nothing of their own: no allocator, no data, no imports.
      ...['--importMemory', '--noExportMemory', '--runtime', 'stub', '--use', 'abort='],
    ]);
  build('kernels.wasm');
  // The same for a memory of up to 4 GiB that threads share, as TensorFlow.js's build for threads has it.
  build('kernels-shared.wasm', '--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536');
});
