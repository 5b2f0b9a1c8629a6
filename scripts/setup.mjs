// Makes a clone ready to run: installs the locked dependencies when they are missing or out of date, then
// builds. Runs before every `npm test`, `npm run check`, `npm run demo`, so that one command is enough.
import { execSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const packagesOf = (name) => JSON.parse(readFileSync(new URL(name, root), 'utf8')).packages;

/** Whether every package the lock names is installed in that version; optional ones depend on the machine. */
function isInstalled() {
  const record = 'node_modules/.package-lock.json';
  if (!existsSync(new URL(record, root))) return false;
  const installed = packagesOf(record);
  return Object.entries(packagesOf('package-lock.json')).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  );
}

if (!isInstalled()) {
  execSync('npm ci --no-fund --no-audit --loglevel=error', { cwd: root, stdio: 'inherit' });
}
await import('./build.mjs');
