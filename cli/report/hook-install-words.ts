/** Words for installed and removed hooks, shared by `dv init`, `dv hook` and `dv doctor`. */
import type { DriversChange } from '../../hooks/drivers.ts';
import type { ChangedHook, HookChange, HooksFolder } from '../../hooks/install.ts';
import { keptSuffix } from '../../hooks/shim.ts';
import { clean } from './clean.ts';

const changeWords: Record<HookChange, (event: string) => string> = {
  installed: () => 'installed',
  chained: (event) => `installed; the hook that was there is kept as ${event}${keptSuffix} and runs first`,
  upgraded: () => 'renewed',
  unchanged: () => 'as it was',
  blocked: (event) =>
    `not installed: another hook is there, and ${event}${keptSuffix} holds a different one; remove one of them and run dv init again`,
  removed: () => 'removed',
  restored: () => 'removed; the hook from before is back in its place',
  absent: () => 'was not installed',
  foreign: () => 'left alone: it is not written by dv',
};

/** One line per hook. */
export function hookLines(hooks: readonly ChangedHook[]): string[] {
  return hooks.map(({ event, change }) => `  ${event.padEnd(17)} ${changeWords[change](event)}`);
}

/** One line for the merge driver and the text of pointers in `git diff`. */
export function driversLine(change: DriversChange): string {
  return `  ${'merge, diff'.padEnd(17)} ${changeWords[change]('')}`;
}

/** What the user should know about where git looks for hooks, when it is not in this clone's git directory. */
export function folderNote(folder: HooksFolder): string | undefined {
  const path = clean(folder.path);
  switch (folder.kind) {
    case 'private':
      return undefined;
    case 'tracked':
      return `core.hooksPath names ${path}, which is part of the workspace: commit its hooks, and they call the dv on everybody's PATH`;
    case 'generated':
      return `core.hooksPath names ${path}, which a hook manager makes: run dv init again after it did (for husky: "prepare": "husky && dv init")`;
    case 'outside':
      return `core.hooksPath names ${path}, which other repositories may share: where dv tracks nothing, its hooks do nothing`;
  }
}
