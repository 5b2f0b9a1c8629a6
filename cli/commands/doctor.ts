import { isDvError } from '../../core/errors.ts';
import { examine, type Finding } from '../../core/ops/doctor.ts';
import type { Repo } from '../../core/store/repo.ts';
import { inspectDrivers } from '../../hooks/drivers.ts';
import { findHooksFolder, inspectHooks } from '../../hooks/install.ts';
import { defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { launcher } from '../launcher.ts';
import { folderNote } from '../report/hook-install-words.ts';

const signs = { good: 'ok  ', note: 'note', bad: 'BAD ' };

/** The repository, or why there is none: a doctor also sees patients without one. */
function openIfThere(context: Context): { repo?: Repo; finding: Finding } {
  try {
    const repo = context.repo();
    return { repo, finding: { name: 'repository', state: 'good', text: repo.root } };
  } catch (error) {
    if (!isDvError(error)) throw error;
    const absent = error.code === 'not-a-repository';
    return {
      finding: {
        name: absent ? 'repository' : 'settings',
        state: absent ? 'note' : 'bad',
        text: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      },
    };
  }
}

function examineHooks(repo: Repo): Finding {
  if (!repo.git.available) return { name: 'hooks', state: 'note', text: 'none without git' };
  const folder = findHooksFolder(repo);
  const hooks = inspectHooks(folder, launcher);
  const named = (state: string) => hooks.filter((hook) => hook.state === state).map((hook) => hook.event);
  const absent = [...named('absent'), ...named('foreign')];
  const note = folderNote(folder);
  const where = note === undefined ? '' : `; ${note}`;
  if (absent.length > 0) {
    return {
      name: 'hooks',
      state: 'note',
      text: `${absent.join(', ')} not installed: git checkout and git push do not take the data along${where}`,
      hint: 'dv init',
    };
  }
  const outdated = named('outdated');
  if (outdated.length > 0) {
    return {
      name: 'hooks',
      state: 'note',
      text: `${outdated.join(', ')} installed by another dv, or call one that was moved${where}`,
      hint: 'dv init',
    };
  }
  const off = hooks.filter((hook) => repo.config.hooks.get(hook.event) === false).map((hook) => hook.event);
  return {
    name: 'hooks',
    state: off.length > 0 ? 'note' : 'good',
    text: `installed in ${folder.path}${off.length > 0 ? `; switched off: ${off.join(', ')}` : ''}${where}`,
    ...(off.length > 0 ? { hint: `git config dv.hooks.${off[0]} on` } : {}),
  };
}

function examineDrivers(repo: Repo): Finding[] {
  if (!repo.git.available) return [];
  const state = inspectDrivers(repo, launcher);
  if (state === 'current')
    return [{ name: 'merge', state: 'good', text: 'git merges and compares data file by file' }];
  return [
    {
      name: 'merge',
      state: 'note',
      text:
        state === 'absent'
          ? 'git merges pointers as text, and git diff shows digests'
          : 'the merge driver was installed by another dv, or calls one that was moved',
      hint: 'dv init',
    },
  ];
}

export const command = defineCommand<object>({
  usage: 'doctor',
  summary: 'look at git, Node, hooks, cache, remotes and training, and say what to mend',
  examples: [['dv doctor', 'one line per finding, with what to type below those that need it']],
  exits: [],
  options: (yargs) => yargs,
  async run(_options, context) {
    const { repo, finding } = openIfThere(context);
    const findings = [
      finding,
      ...(await examine({
        repo,
        nodeVersion: process.versions.node,
        env: context.env,
        signal: context.signal,
      })),
    ];
    if (repo !== undefined) findings.splice(3, 0, examineHooks(repo), ...examineDrivers(repo));
    const lines = findings.flatMap(({ name, state, text, hint }) => [
      `${signs[state]}  ${name.padEnd(11)} ${text}`,
      ...(hint === undefined ? [] : [`${' '.repeat(18)}→ ${hint}`]),
    ]);
    return {
      value: { findings },
      text: lines.join('\n'),
      ...(findings.some(({ state }) => state === 'bad') ? { exit: 1 } : {}),
    };
  },
});
