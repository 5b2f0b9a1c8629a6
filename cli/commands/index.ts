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

/** Every command, in the order of `dv --help`. */
export const commands: ReadonlyMap<string, CommandEntry> = new Map<string, CommandEntry>([
  [
    'init',
    {
      group: 'start',
      summary: 'prepare this repository for data: settings file, git hooks, merge driver',
      load: () => import('./init.ts'),
    },
  ],
  [
    'clone',
    {
      group: 'start',
      summary: 'git clone, dv init and dv pull in one',
      load: () => import('./clone.ts'),
    },
  ],
  [
    'doctor',
    {
      group: 'start',
      summary: 'look at git, Node, hooks, cache, remotes and training, and say what to mend',
      load: () => import('./doctor.ts'),
    },
  ],
  [
    'add',
    {
      group: 'data',
      summary: 'track files and folders, or record their new content',
      load: () => import('./add.ts'),
    },
  ],
  [
    'commit',
    {
      group: 'data',
      summary: 'put the bytes of tracked paths into the cache, after dv add --no-commit',
      load: () => import('./commit.ts'),
    },
  ],
  [
    'status',
    {
      group: 'data',
      summary: 'compare the workspace with the pointers, and stages with what they were made from',
      load: () => import('./status.ts'),
    },
  ],
  [
    'diff',
    {
      group: 'data',
      summary: 'which files of tracked data differ between two revisions, or a revision and the workspace',
      load: () => import('./diff.ts'),
    },
  ],
  [
    'log',
    {
      group: 'data',
      summary: 'the commits that changed data, and what they changed of it',
      load: () => import('./log.ts'),
    },
  ],
  [
    'checkout',
    {
      group: 'data',
      summary: 'make the workspace what the pointers say',
      load: () => import('./checkout.ts'),
    },
  ],
  [
    'mv',
    {
      group: 'data',
      summary: 'give tracked paths another name: data, pointer and ignore lines together',
      load: () => import('./mv.ts'),
    },
  ],
  [
    'rm',
    {
      group: 'data',
      summary: 'stop tracking paths, and remove their data from the workspace',
      load: () => import('./rm.ts'),
    },
  ],
  [
    'restore',
    {
      group: 'data',
      summary: 'bring back files as recorded, as a revision had them, or as dv saved them',
      load: () => import('./restore.ts'),
    },
  ],
  [
    'get',
    {
      group: 'data',
      summary: 'copy files of any revision, or of another repository, without checking it out',
      load: () => import('./get.ts'),
    },
  ],
  [
    'remote',
    {
      group: 'data',
      summary: 'where data is pushed to: add, list, remove, set-default, check',
      load: () => import('./remote.ts'),
    },
  ],
  ['push', { group: 'data', summary: 'send data to the remote', load: () => import('./push.ts') }],
  [
    'fetch',
    { group: 'data', summary: 'bring data from the remote into the cache', load: () => import('./fetch.ts') },
  ],
  [
    'pull',
    {
      group: 'data',
      summary: 'fetch, then make the workspace what the pointers say',
      load: () => import('./pull.ts'),
    },
  ],
  [
    'gc',
    {
      group: 'data',
      summary: 'remove data that nothing needs any more, or say what would be removed',
      load: () => import('./gc.ts'),
    },
  ],
  [
    'verify',
    {
      group: 'data',
      summary: 'read cached data again, name what is damaged or missing, and heal it',
      load: () => import('./verify.ts'),
    },
  ],
  [
    'repro',
    {
      group: 'stages',
      summary: 'bring stages up to date: run what changed, restore what was computed before',
      load: () => import('./repro.ts'),
    },
  ],
  [
    'dag',
    {
      group: 'stages',
      summary: 'show how stages depend on each other',
      load: () => import('./dag.ts'),
    },
  ],
  [
    'why',
    {
      group: 'stages',
      summary: 'say what made a stage stale, down to the files',
      load: () => import('./why.ts'),
    },
  ],
  [
    'step',
    {
      group: 'stages',
      summary: 'run one built-in step by hand, or list them',
      load: () => import('./step.ts'),
    },
  ],
  [
    'metrics',
    {
      group: 'results',
      summary: 'show or compare the metrics of any number of revisions',
      load: () => import('./metrics.ts'),
    },
  ],
  [
    'params',
    {
      group: 'results',
      summary: 'show or compare the parameters of any number of revisions',
      load: () => import('./params.ts'),
    },
  ],
  [
    'completion',
    {
      group: 'setting up',
      summary: 'print a script that completes commands and options in bash or zsh',
      load: () => import('./completion.ts'),
    },
  ],
  [
    'hook',
    {
      group: 'setting up',
      summary: 'install, remove or list git hooks and merge driver; git itself calls dv hook <event>',
      load: () => import('./hook.ts'),
    },
  ],
]);
