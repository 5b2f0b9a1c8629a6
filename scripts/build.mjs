// Builds dist/: bin/ is the program, bundled; built/ holds the kernels; the rest is TypeScript compiled file by file, for
// what imports single modules (demo, benchmarks, tests). Each part is skipped when nothing it is made from is newer than what it makes.
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

/** What bundled CommonJS asks for by `require` are Node's own modules. */
const banner = {
  js: "import{createRequire as bannerRequire}from'node:module';const require=bannerRequire(import.meta.url);",
};

/**
 * The program as people run it: everything it imports in few files, as a command's start is mostly the finding and reading
 * of modules. What is imported when needed stays in files of its own; libraries that are native, or larger, stay outside.
 */
function bundleProgram() {
  rmSync(at('dist/bin'), { recursive: true, force: true });
  buildSync({
    entryPoints: {
      main: at('cli/main.ts'),
      'thread-worker': at('core/store/thread-worker.ts'),
      'kernel-thread': at('core/steps/nn/kernels/thread.ts'),
    },
    outdir: at('dist/bin'),
    bundle: true,
    splitting: true,
    // Names stay, for the stack of a bug.
    minifySyntax: true,
    minifyWhitespace: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // ES modules, where a library has them, so that what it imports when needed stays in files of its own, too.
    mainFields: ['module', 'main'],
    jsx: 'automatic',
    external: ['./google-storage.js', '@tensorflow/*', 'isomorphic-git', 'sharp'],
    define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"' },
    alias: {
      'react-devtools-core': at('cli/tui/no-devtools.ts'),
      // The same library as ES modules: of its other form, a lazy import would have no names.
      yaml: at('node_modules/yaml/browser/index.js'),
      '@google-cloud/storage': './google-storage.js',
    },
    banner,
    legalComments: 'inline',
    logLevel: 'warning',
  });
  // CommonJS throughout: in its parts' other form their lone exports would be something else.
  buildSync({
    entryPoints: [at('remotes/google-storage.ts')],
    outfile: at('dist/bin/google-storage.js'),
    ...{ bundle: true, minifySyntax: true, minifyWhitespace: true, platform: 'node', format: 'esm' },
    ...{ target: 'node20', banner, legalComments: 'inline', logLevel: 'warning' },
  });
  chmodSync(at('dist/bin/main.js'), 0o755);
}

mkdirSync(at('dist/built'), { recursive: true });

part('types', ['cli', 'core', 'remotes', 'hooks', 'demo', 'tsconfig.json', 'tsconfig.build.json'], () => {
  run('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.build.json']);
});

part('program', ['cli', 'core', 'remotes', 'hooks', 'package.json'], bundleProgram);

// TensorFlow.js for Node comes without the gradients of its own operations, and what it has of them Node 20 cannot
// import. The bundle finds the engine that @tensorflow/tfjs-core has started, and registers them there.
part('gradients', [], () => {
  buildSync({
    entryPoints: ['@tensorflow/tfjs-core/dist/register_all_gradients.js'],
    outfile: at('dist/built/gradients.js'),
    absWorkingDir: fileURLToPath(root),
    ...{ bundle: true, minify: true, format: 'esm', platform: 'node', legalComments: 'eof' },
  });
});

part('kernels', ['core/steps/nn/kernels/assembly'], () => {
  const out = 'dist/built/kernels';
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
