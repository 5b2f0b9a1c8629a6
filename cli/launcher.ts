/** How this very program is started, for those who start it again: hooks and stages. */
import { fileURLToPath } from 'node:url';
import type { Launcher } from '../hooks/shim.ts';

/** The node program and main script that run now, absolute. */
export const launcher: Launcher = {
  node: process.execPath,
  main: fileURLToPath(new URL('./main.js', import.meta.url)),
};
