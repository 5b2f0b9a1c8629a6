/** Pointers and stages.lock of the workspace against HEAD: what git still has to commit. */
import { readFileSync } from 'node:fs';
import { DvError, systemCode } from '../errors.ts';
import { looksLikePointer, pointerSuffix, trackedPathOf } from '../model/pointer.ts';
import { comparePaths, parseRepoPath, type RepoPath } from '../model/repo-path.ts';
import { lockFileName } from '../pipeline/lock-file.ts';
import { absolutePath, type Repo } from '../store/repo.ts';

/** A pointer, or stages.lock, that is not as the last commit has it. */
export interface HeadChange {
  /** The tracked path, or `stages.lock`. */
  readonly path: RepoPath;
  readonly change: 'new' | 'changed' | 'removed';
  /** Whether git's index has it as it is, so that `git commit` records it; absent where there is no git program. */
  readonly staged?: boolean;
}

/** Waits for what was found. */
export type HeadLook = (
  pointerFiles: ReadonlySet<string>,
  untracked: readonly string[],
) => Promise<HeadChange[]>;

/**
 * Begins to look, so that the caller can do something else meanwhile.
 * @returns waits for the answer. Its arguments: the pointer files of the workspace (others that end in `.dv` are some
 *   other program's), and those of them that git's index lacks, which it is not asked again.
 * @throws {DvError} git-failed, git-feature, when waited for
 */
export function startHeadLook(repo: Repo): HeadLook {
  const looking = repo.git.available ? askGit(repo) : undefined;
  looking?.catch(() => {});
  return async (pointerFiles, untracked) => {
    const changes = looking === undefined ? await compareWithHistory(repo, pointerFiles) : await looking;
    return keepPointers(repo, addUntracked(changes, untracked), pointerFiles);
  };
}

/** A file that differs from HEAD. */
interface FileChange {
  readonly file: string;
  readonly change: HeadChange['change'];
  readonly staged?: boolean;
}

/** Asks git, which compares without reading what its index knows to be unchanged. Format: git-status(1), "Porcelain Format Version 1". */
async function askGit(repo: Repo): Promise<FileChange[]> {
  const process = repo.git.start([
    ...['status', '--porcelain', '-z', '--untracked-files=no', '--no-renames', '--ignore-submodules=all'],
    ...['--', `*${pointerSuffix}`, lockFileName],
  ]);
  process.stdin.on('error', () => {});
  process.stdin.end();
  const pieces: Buffer[] = [];
  let problem = '';
  process.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  process.stderr.on('data', (piece: Buffer) => {
    problem += piece.toString();
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    process.on('error', reject);
    process.on('close', resolve);
  });
  if (status !== 0) throw new DvError('git-failed', { command: 'git status', status, output: problem });
  return Buffer.concat(pieces)
    .toString()
    .split('\0')
    .flatMap((line) => {
      const change = readStatus(line.slice(0, 2));
      return change === undefined ? [] : [{ file: line.slice(3), ...change }];
    });
}

/** Files git's index lacks are new, or were taken out of it and are still there. */
function addUntracked(changes: readonly FileChange[], untracked: readonly string[]): FileChange[] {
  const found = new Map(changes.map((change) => [change.file, change]));
  for (const file of untracked) {
    found.set(file, { file, change: found.has(file) ? 'changed' : 'new', staged: false });
  }
  return [...found.values()];
}

/** What two letters of git's status mean for a file against HEAD; undefined for conflicts, which are told elsewhere. */
function readStatus(code: string): Omit<FileChange, 'file'> | undefined {
  const [index, workspace] = code;
  if (code === ' A') return { change: 'new', staged: false };
  if (code === '' || code === 'AD' || /U|AA|DD/.test(code)) return undefined;
  if (index === 'A') return { change: 'new', staged: workspace === ' ' };
  if (index === 'D') return { change: 'removed', staged: true };
  if (workspace === 'D') return { change: 'removed', staged: false };
  return { change: 'changed', staged: workspace === ' ' };
}

/** Without the git program: the files of HEAD against those of the workspace. */
async function compareWithHistory(repo: Repo, pointerFiles: ReadonlySet<string>): Promise<FileChange[]> {
  const { openHistory } = await import('../store/history.ts');
  const { isPointerFile } = await import('./data-at.ts');
  await using history = await openHistory(repo);
  const head = await history.find('HEAD');
  const matches = (path: string) => path === lockFileName || isPointerFile(path);
  const [files = []] = head === undefined ? [] : await history.listFiles([head.id], matches);
  const blobs = await history.readBlobs(files.map(({ id }) => id));
  const committed = new Map(files.map(({ path }, i) => [path, blobs[i]!.toString()]));
  const changes: FileChange[] = [];
  for (const file of new Set([...committed.keys(), ...pointerFiles, lockFileName])) {
    const before = committed.get(file);
    const now = textOf(absolutePath(repo, file));
    if (before === now) continue;
    changes.push({ file, change: before === undefined ? 'new' : now === undefined ? 'removed' : 'changed' });
  }
  return changes;
}

function textOf(absolute: string): string | undefined {
  try {
    return readFileSync(absolute, 'utf8').replaceAll('\r\n', '\n');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error;
  }
}

/** Leaves out files of other programs; of one that is gone, HEAD says what it was. */
async function keepPointers(
  repo: Repo,
  changes: readonly FileChange[],
  pointerFiles: ReadonlySet<string>,
): Promise<HeadChange[]> {
  const gone = changes.filter(({ file, change }) => change === 'removed' && file !== lockFileName);
  const wasPointer = gone.length === 0 ? new Set<string>() : await pointersAtHead(repo, gone);
  return changes
    .flatMap(({ file, ...rest }): HeadChange[] => {
      if (file === lockFileName) return [{ path: file as RepoPath, ...rest }];
      const known = rest.change === 'removed' ? wasPointer : pointerFiles;
      const path = parseRepoPath(trackedPathOf(file));
      return path === undefined || !known.has(file) ? [] : [{ path, ...rest }];
    })
    .sort((a, b) => comparePaths(a.path, b.path));
}

async function pointersAtHead(repo: Repo, files: readonly FileChange[]): Promise<Set<string>> {
  const { openHistory } = await import('../store/history.ts');
  await using history = await openHistory(repo);
  const head = await history.find('HEAD');
  if (head === undefined) return new Set();
  const texts = await history.readFiles(files.map(({ file }) => ({ commit: head.id, path: file })));
  return new Set(
    files.filter((_, i) => looksLikePointer(texts[i]?.toString() ?? '')).map(({ file }) => file),
  );
}
