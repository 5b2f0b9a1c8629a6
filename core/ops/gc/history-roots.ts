/** The data that git's history names: pointers and stages.lock of every commit that something still leads to. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { lockFileName } from '../../pipeline/lock-file.ts';
import type { Git } from '../../store/git.ts';
import { openHistory } from '../../store/history.ts';
import { listFolder } from '../../store/list-folder.ts';
import type { Repo } from '../../store/repo.ts';
import type { Worktree } from '../../store/worktrees.ts';
import { type BrokenText, type DataRoot, type Keeper, rootsInText } from './data-roots.ts';

/** Files by which git stands for data, as its pathspecs. */
const dataFiles = ['*.dv', lockFileName];
/** Far more than a pointer has; what is larger under such a name is somebody's video. */
const mostPointerBytes = 65_536;
/** Files of an unfinished rebase and the like hold ids and little else. */
const mostStateBytes = 1 << 20;
/** Folders in a git directory that say what a rebase, am or cherry-pick is in the middle of. */
const stateFolders = ['rebase-merge', 'rebase-apply', 'sequencer'];

/** A file of git's object store, with one of the names it has. */
interface NamedBlob {
  readonly id: string;
  readonly name: string;
}

/** What history was found to name. */
export interface HistoryRoots {
  readonly roots: readonly DataRoot[];
  /** Files that should be pointers or a lock and cannot be read. */
  readonly broken: readonly BrokenText[];
}

/**
 * Reads what all refs, reflogs (stashes are one), indexes and unfinished merges and rebases of all worktrees name.
 * @param repo with a `git` that no `GIT_*` variable of another worktree reaches.
 * @throws {DvError} git-missing, git-failed (a damaged repository: then nothing can be said), newer-format
 */
export async function readHistoryRoots(repo: Repo, worktrees: readonly Worktree[]): Promise<HistoryRoots> {
  const { git } = repo;
  const states = unfinishedIds(git, worktrees);
  const listed: [Keeper, NamedBlob[]][] = [
    ['index', worktrees.flatMap((worktree) => indexBlobs(repo, worktree))],
    ['refs', [...reachableBlobs(git, ['--all']), ...blobsOfTreeRefs(git)]],
    ['reflogs', reachableBlobs(git, ['--reflog', ...states, '--not', '--all'])],
  ];
  const seen = new Map<string, { keeper: Keeper; name: string }>();
  for (const [keeper, blobs] of listed) {
    for (const { id, name } of blobs) if (!seen.has(id)) seen.set(id, { keeper, name });
  }
  const ids = sizesOf(git, [...seen.keys()]).flatMap(({ id, type, size }) =>
    type === 'blob' && (size <= mostPointerBytes || seen.get(id)!.name === lockFileName) ? [id] : [],
  );
  await using history = await openHistory(repo);
  const texts = await history.readBlobs(ids);
  const roots: DataRoot[] = [];
  const broken: BrokenText[] = [];
  ids.forEach((id, i) => {
    const { keeper, name } = seen.get(id)!;
    const found = rootsInText(texts[i]!.toString(), { keeper, name, isLock: name === lockFileName });
    if ('problem' in found) broken.push({ ...found, name: `${commitWith(git, id)}${name}` });
    else roots.push(...found.roots);
  });
  return { roots, broken };
}

/** The commit that brought a blob, as `<short id>:`; empty when no ref leads to it. */
function commitWith(git: Git, blob: string): string {
  // The last one is the oldest; the newest may be the one that took it away.
  const { stdout } = git.run(['log', '--all', '--format=%h', `--find-object=${blob}`]);
  const commit = stdout.trim().split('\n').at(-1) ?? '';
  return commit === '' ? '' : `${commit}:`;
}

/**
 * Pointer and lock files of all commits some starting points lead to: both sides of every change, also of those a merge
 * made. Not `rev-list --objects`: with a pattern like `*.dv` it looks into no folder.
 */
function reachableBlobs(git: Git, from: readonly string[]): NamedBlob[] {
  const listed = git.output([
    // What a replacement hides is still there for those who have none.
    '--no-replace-objects',
    ...['log', '--raw', '-z', '--no-abbrev', '--no-renames', '--format=', '--root', '-m', '--full-history'],
    ...[...from, '--', ...dataFiles],
  ]);
  const found = new Map<string, string>();
  const words = listed.split('\0');
  words.forEach((word, i) => {
    const match = /^\n*:[0-7]{6} [0-7]{6} ([0-9a-f]+) ([0-9a-f]+) [A-Z][0-9]*$/.exec(word);
    for (const id of match?.slice(1) ?? []) if (!/^0+$/.test(id)) found.set(id, words[i + 1]!);
  });
  return [...found].map(([id, name]) => ({ id, name }));
}

/** Pointer and lock files of trees that a ref or tag names itself, without a commit. */
function blobsOfTreeRefs(git: Git): NamedBlob[] {
  const listed = git.output([
    'for-each-ref',
    '--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)',
  ]);
  const trees = new Set([...listed.matchAll(/\btree ([0-9a-f]{40,64})\b/g)].map((match) => match[1]!));
  return [...trees].flatMap((tree) =>
    git
      .output(['ls-tree', '-r', '-z', '--full-tree', tree])
      .split('\0')
      .flatMap((line) => {
        const match = /^100[0-7]{3} blob ([0-9a-f]+)\t(.+)$/s.exec(line);
        const isData = match?.[2] === lockFileName || match?.[2]?.endsWith('.dv');
        return isData ? [{ id: match![1]!, name: match![2]! }] : [];
      }),
  );
}

/** What git's index of a worktree holds, all sides of a conflict included. */
function indexBlobs(repo: Repo, { gitDir }: Worktree): NamedBlob[] {
  if (!existsSync(join(gitDir, 'index'))) return [];
  // Any folder serves as workspace here: only the index is read, and the worktree's own may be away.
  const listed = repo.git.output([
    ...[`--git-dir=${gitDir}`, `--work-tree=${repo.root}`, 'ls-files', '--stage', '-z', '--full-name'],
    ...['--', ...dataFiles],
  ]);
  return listed.split('\0').flatMap((line) => {
    const match = /^[0-7]{6} ([0-9a-f]+) [0-3]\t(.+)$/s.exec(line);
    return match === null ? [] : [{ id: match[1]!, name: match[2]! }];
  });
}

/**
 * Commits named by what is unfinished: MERGE_HEAD, ORIG_HEAD, a rebase's list of what is still to do, … A tree
 * (AUTO_MERGE) holds what git made of a conflict, markers included; its sides are in the index.
 */
function unfinishedIds(git: Git, worktrees: readonly Worktree[]): string[] {
  const words = new Set<string>();
  const take = (file: string) => {
    const info = statSync(file, { throwIfNoEntry: false });
    if (!info?.isFile() || info.size > mostStateBytes) return;
    for (const [word] of readFileSync(file, 'latin1').matchAll(/\b[0-9a-f]{7,64}\b/g)) words.add(word);
  };
  for (const { gitDir } of worktrees) {
    for (const name of listFolder(gitDir)) if (/^[A-Z][A-Z_]*$/.test(name)) take(join(gitDir, name));
    for (const folder of stateFolders) {
      for (const name of listFolder(join(gitDir, folder))) take(join(gitDir, folder, name));
    }
  }
  return sizesOf(git, [...words]).flatMap(({ id, type }) =>
    type === 'commit' || type === 'tag' ? [id] : [],
  );
}

/** What git has under some names; those it does not have are left out. */
function sizesOf(git: Git, names: readonly string[]): { id: string; type: string; size: number }[] {
  if (names.length === 0) return [];
  const answered = git.output(['cat-file', '--batch-check'], { input: `${names.join('\n')}\n` });
  return answered.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]{40,64}) (commit|tag|tree|blob) ([0-9]+)$/.exec(line);
    return match === null ? [] : [{ id: match[1]!, type: match[2]!, size: Number(match[3]) }];
  });
}
