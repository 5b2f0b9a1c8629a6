import { initialise } from '../../core/ops/init.ts';
import { type ChangedHook, findHooksFolder, type HooksFolder, installHooks } from '../../hooks/install.ts';
import { defineCommand } from '../command.ts';
import { launcher } from '../launcher.ts';
import { folderNote, hookLines } from '../report/hook-install-words.ts';

export const command = defineCommand<{ 'no-hooks': boolean }>({
  usage: 'init',
  summary: 'prepare this repository for data: settings file and git hooks',
  examples: [
    ['dv init', 'writes .dvconfig and installs the hooks; safe to repeat'],
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
    const changed = done.configCreated || hooks.some((hook) => hook.change !== 'unchanged');
    const lines = changed
      ? [
          `dv is ready in ${repo.root}`,
          `  ${'.dvconfig'.padEnd(14)} ${done.configCreated ? `written${done.staged ? ', staged for the next commit' : ''}` : 'as it was'}`,
          ...hookLines(hooks),
        ]
      : [`dv was ready in ${repo.root}; nothing changed`];
    const note = folder && changed ? folderNote(folder) : undefined;
    if (note !== undefined) lines.push(note);
    if (wanted && !repo.git.available)
      lines.push('no hooks without the git program: install git, then dv init again');
    if (done.configCreated) lines.push('next: dv add <folder of data>');
    return {
      value: { root: repo.root, ...done, hooksFolder: folder ?? null, hooks },
      text: lines.join('\n'),
      ...(hooks.some((hook) => hook.change === 'blocked') ? { exit: 3 } : {}),
    };
  },
});
