/** How this very program is started, for those who start it again: hooks and stages. */
import { fileURLToPath } from 'node:url';
import { distFile } from '../core/dist.ts';
import type { Launcher } from '../hooks/shim.ts';

/** The node program and main script that run now, absolute. */
export const launcher: Launcher = {
  node: process.execPath,
  main: fileURLToPath(distFile('bin/main.js')),
};
