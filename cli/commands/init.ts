import { initialise, mendLineEnds } from '../../core/ops/init.ts';
import { type DriversChange, installDrivers } from '../../hooks/drivers.ts';
import { type ChangedHook, findHooksFolder, type HooksFolder, installHooks } from '../../hooks/install.ts';
import { defineCommand } from '../command.ts';
import { launcher } from '../launcher.ts';
import { driversLine, folderNote, hookLines } from '../report/hook-install-words.ts';

export const command = defineCommand<{ 'no-hooks': boolean }>({
  usage: 'init',
  summary: 'prepare this repository for data: settings file, git hooks, merge driver',
  examples: [
    ['dv init', 'writes .dvconfig, installs the hooks and the merge driver; safe to repeat'],
    ['dv init --no-hooks', 'leaves the hooks alone; dv checkout and dv push are then yours to call'],
  ],
  exits: [3, 10],
  options: (yargs) =>
    yargs.option('no-hooks', { describe: 'install no git hooks', type: 'boolean', default: false }),
  async run(options, context) {
    const repo = context.repo();
    const done = initialise(repo);
    let folder: HooksFolder | undefined;
    let hooks: ChangedHook[] = [];
    const wanted = !options['no-hooks'];
    if (wanted && repo.git.available) {
      folder = findHooksFolder(repo);
      hooks = installHooks(folder, launcher);
    }
    const drivers: DriversChange = repo.git.available ? installDrivers(repo, launcher) : 'absent';
    if (drivers === 'installed') mendLineEnds(repo);
    const changed =
      done.configCreated ||
      drivers === 'installed' ||
      drivers === 'upgraded' ||
      hooks.some((hook) => hook.change !== 'unchanged');
    const lines = changed
      ? [
          `dv is ready in ${repo.root}`,
          `  ${'.dvconfig'.padEnd(17)} ${done.configCreated ? `written${done.staged ? ', staged for the next commit' : ''}` : 'as it was'}`,
          ...hookLines(hooks),
          ...(repo.git.available ? [driversLine(drivers)] : []),
        ]
      : [`dv was ready in ${repo.root}; nothing changed`];
    const note = folder && changed ? folderNote(folder) : undefined;
    if (note !== undefined) lines.push(note);
    if (wanted && !repo.git.available)
      lines.push('no hooks and no merge driver without the git program: install git, then dv init again');
    if (done.configCreated) lines.push('next: dv add <folder of data>');
    return {
      value: { root: repo.root, ...done, hooksFolder: folder ?? null, hooks, drivers },
      text: lines.join('\n'),
      ...(hooks.some((hook) => hook.change === 'blocked') ? { exit: 3 } : {}),
    };
  },
});
