/** The list of commands: name → group, summary and lazy import of the file with that name. */
import type { AnyCommand } from '../command.ts';

/** A command that is not loaded yet. */
export interface CommandEntry {
  /** One line for `dv --help`; the same as the command's own. */
  readonly summary: string;
  /** The heading it stands under in `dv --help`. */
  readonly group: string;
  load(): Promise<{ readonly command: AnyCommand }>;
}

const data = 'data';
const results = 'results';

/** Every command, in the order of `dv --help`. */
export const commands: ReadonlyMap<string, CommandEntry> = new Map<string, CommandEntry>([
  [
    'add',
    {
      group: data,
      summary: 'track files and folders, or record their new content',
      load: () => import('./add.ts'),
    },
  ],
  [
    'status',
    {
      group: data,
      summary: 'compare the workspace with the pointers, and stages with what they were made from',
      load: () => import('./status.ts'),
    },
  ],
  [
    'checkout',
    {
      group: data,
      summary: 'make the workspace what the pointers say',
      load: () => import('./checkout.ts'),
    },
  ],
  [
    'metrics',
    {
      group: results,
      summary: 'show or compare the metrics of any number of revisions',
      load: () => import('./metrics.ts'),
    },
  ],
  [
    'params',
    {
      group: results,
      summary: 'show or compare the parameters of any number of revisions',
      load: () => import('./params.ts'),
    },
  ],
]);
