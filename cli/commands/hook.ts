import { inspectDrivers, installDrivers, uninstallDrivers } from '../../hooks/drivers.ts';
import { findHooksFolder, inspectHooks, installHooks, uninstallHooks } from '../../hooks/install.ts';
import { defineCommand } from '../command.ts';
import { launcher } from '../launcher.ts';
import { driversLine, folderNote, hookLines } from '../report/hook-install-words.ts';

const stateWords = {
  current: 'installed',
  outdated: 'installed by another dv: dv init renews it',
  foreign: 'not written by dv: dv init chains it',
  absent: 'not installed: dv init',
};

/** `dv hook <event>` itself never gets here: main.ts hands it to run-hook.ts. */
export const command = defineCommand<{ action: 'install' | 'uninstall' | 'list' }>({
  usage: 'hook <action>',
  summary: 'install, remove or list git hooks and merge driver; git itself calls dv hook <event>',
  examples: [
    ['dv hook list', 'says where git looks for hooks, and which are there'],
    [
      'dv hook uninstall',
      'takes the hooks and the merge driver away, and puts back hooks that were there before',
    ],
    ['git config dv.hooks.pre-push off', 'keeps a hook installed, but makes it do nothing'],
  ],
  exits: [3, 10],
  options: (yargs) =>
    yargs.positional('action', {
      describe: 'what to do',
      choices: ['install', 'uninstall', 'list'] as const,
      demandOption: true,
    }),
  async run({ action }, context) {
    const repo = context.repo();
    const folder = findHooksFolder(repo);
    const note = folderNote(folder);
    if (action === 'list') {
      const hooks = inspectHooks(folder, launcher);
      const drivers = inspectDrivers(repo, launcher);
      const lines = hooks.map((hook) => {
        const off =
          repo.config.hooks.get(hook.event) === false ? `, switched off by dv.hooks.${hook.event}` : '';
        const kept = hook.kept ? ', after the hook that was there before' : '';
        return `  ${hook.event.padEnd(17)} ${stateWords[hook.state]}${kept}${off}`;
      });
      return {
        value: { folder, hooks, drivers },
        text: [
          `hooks in ${folder.path}`,
          ...lines,
          `  ${'merge, diff'.padEnd(17)} ${stateWords[drivers]}`,
          ...(note === undefined ? [] : [note]),
        ].join('\n'),
      };
    }
    const hooks = action === 'install' ? installHooks(folder, launcher) : uninstallHooks(folder);
    const drivers = action === 'install' ? installDrivers(repo, launcher) : uninstallDrivers(repo);
    return {
      value: { folder, hooks, drivers },
      text: [
        ...hookLines(hooks),
        driversLine(drivers),
        ...(note === undefined || action === 'uninstall' ? [] : [note]),
      ].join('\n'),
      ...(hooks.some((hook) => hook.change === 'blocked') ? { exit: 3 } : {}),
    };
  },
});
