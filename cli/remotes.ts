/** All remotes of a repository, for commands that look for data wherever it may be. */
import type { NamedRemote } from '../core/ops/transfer/holdings.ts';
import type { Context } from './context.ts';

/** The remotes by name, the default one first; none is opened yet. */
export function allRemotes(context: Context): NamedRemote[] {
  const { remotes, defaultRemote } = context.repo().config;
  const names = [...remotes.keys()].sort((a, b) => Number(b === defaultRemote) - Number(a === defaultRemote));
  return names.map((name) => ({ name, open: () => context.openRemote(name) }));
}
