// Makes a clone ready to run: installs the locked dependencies when they are missing or out of date, then
// builds. Runs before every `npm test`, `npm run check`, `npm run demo`, so that one command is enough.
import { execSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const at = (name) => new URL(name, root);
const installed = at('node_modules/.package-lock.json');

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(at('package-lock.json')).mtimeMs) {
  execSync('npm ci --no-fund --no-audit --loglevel=error', { cwd: root, stdio: 'inherit' });
}
await import('./build.mjs');
