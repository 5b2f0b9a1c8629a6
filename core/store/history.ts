/**
 * History: commits, branches, tags, and files at any number of revisions, read in bulk; the workspace is never
 * touched. Two engines pass one contract (test/unit/store/history.test.ts): the git program, and isomorphic-git
 * where there is none. What they share (folders, files, simplified history) is here; how objects and refs are
 * got is in history-git.ts and history-isomorphic.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { comparePaths } from '../model/repo-path.ts';
import { type FileChange, findChanges } from './history-changes.ts';
import {
  type Commit,
  entryPath,
  folderMode,
  type GitObject,
  isRegularFile,
  parseCommit,
  parseTree,
  type TreeEntry,
} from './history-objects.ts';
import type { Repo } from './repo.ts';

export type { FileChange } from './history-changes.ts';
export type { Commit } from './history-objects.ts';

/** A branch or tag. */
export interface Ref {
  readonly kind: 'branch' | 'remote-branch' | 'tag';
  /** As people write it: `main`, `origin/main`, `v1`. */
  readonly name: string;
  /** `refs/heads/main`, … */
  readonly fullName: string;
  /** Full id of the commit it leads to. */
  readonly commit: string;
  /** Whether it is the branch checked out here. */
  readonly current: boolean;
}

/** Which branches are asked for. */
export interface BranchOptions {
  /** Also the remotes' branches that no local branch has the name of. Default: local ones only. */
  readonly remotes?: boolean;
  /** As in `git branch --list`: `*` and `?` match any characters, `/` too. A remote's branch may match without its remote's name. */
  readonly glob?: string;
}

/** A file of a commit. */
export interface FileAt {
  readonly path: string;
  /** Full id of its content: equal ids are equal bytes. */
  readonly id: string;
  /** `100644`, `100755`, or `120000` for a link. */
  readonly mode: string;
}

/** Which commits are walked. */
export interface WalkOptions {
  /** Full ids to start from. */
  readonly from: readonly string[];
  /** Only commits that changed one of these files or folders, as `git log -- <path>` simplifies. */
  readonly paths?: readonly string[];
  /** At most this many. */
  readonly limit?: number;
  /** Of a merge, follow only the first parent. */
  readonly firstParent?: boolean;
}

/** The history of one repository. Buffers it gives may be shared: read them only. */
export interface History extends AsyncDisposable {
  readonly engine: 'git' | 'isomorphic-git';
  /** The commit a revision means. @throws {DvError} unknown-revision, usage (ambiguous), git-feature, git-failed */
  resolve(revision: string): Promise<Commit>;
  /** Many revisions at once, in order. @throws as `resolve` does, for the first one in trouble. */
  resolveAll(revisions: readonly string[]): Promise<Commit[]>;
  /** Like `resolve`, or undefined where there is no such revision. */
  find(revision: string): Promise<Commit | undefined>;
  /** The branch that is checked out, if HEAD is on one that has a commit. */
  currentBranch(): Promise<Ref | undefined>;
  /** Branches, local ones first, each kind sorted by name. */
  branches(options?: BranchOptions): Promise<Ref[]>;
  /** Tags that lead to commits, sorted by name. */
  tags(): Promise<Ref[]>;
  /** Files and links of each commit whose path matches, sorted by path. Submodules are left out. */
  listFiles(
    commits: readonly string[],
    matches: (path: string) => boolean,
    options?: { enter?: (folder: string) => boolean },
  ): Promise<FileAt[][]>;
  /** Per commit the files and links that match and differ from its first parent's, sorted by path. */
  changedFiles(commits: readonly string[], matches: (path: string) => boolean): Promise<FileChange[][]>;
  /** The bytes of regular files, in order; undefined where a commit has no such file. */
  readFiles(requests: readonly { commit: string; path: string }[]): Promise<(Buffer | undefined)[]>;
  /** The bytes of files found by `listFiles`, in order. */
  readBlobs(ids: readonly string[]): Promise<Buffer[]>;
  /** Commits, newest first. */
  walk(options: WalkOptions): Promise<Commit[]>;
  close(): Promise<void>;
}

/** What an engine does: gets refs and objects. */
export interface ObjectSource {
  readonly engine: History['engine'];
  /** All branches and tags that lead to commits; a remote's HEAD is left out. */
  refs(): Promise<Ref[]>;
  /** The commit objects revisions mean, in order. */
  resolve(revisions: readonly string[]): Promise<(GitObject | 'unknown' | 'ambiguous')[]>;
  /** Objects by full id, in order; undefined where there is none. */
  read(ids: readonly string[]): Promise<(GitObject | undefined)[]>;
  /** Ids of the commits of a walk, newest first, when the engine is faster at it than reading objects. */
  walk?(options: WalkOptions): Promise<string[]>;
  close(): Promise<void>;
}

/** A predicate for branch names from a pattern of `git branch --list`. */
export function branchMatcher(glob: string): (name: string) => boolean {
  const source = glob.replace(/\[!?[^\]]+\]|\*+|[\s\S]/g, (part) => {
    if (part.startsWith('*')) return '.*';
    if (part === '?') return '.';
    if (part.length > 1) {
      const negated = part.startsWith('[!');
      return `[${negated ? '^' : ''}${part.slice(negated ? 2 : 1, -1).replace(/[\\^[]/g, '\\$&')}]`;
    }
    return part.replace(/[\\^$.+(){}|[\]/]/g, '\\$&');
  });
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^(?:${source})$`, 'su');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new DvError('usage', { message: `${JSON.stringify(glob)} is no pattern for branch names` });
  }
  return (name) => pattern.test(name);
}

/** The name of a remote's branch without the remote's. */
const withoutRemote = (name: string) => name.slice(name.indexOf('/') + 1);

/**
 * Opens a repository's history: with the git program where there is one, else with isomorphic-git. Nothing is
 * started before the first question.
 * @param options.engine overrides the choice.
 * @throws {DvError} git-feature when only git can read this repository and there is none.
 */
export async function openHistory(
  repo: Pick<Repo, 'git' | 'gitDir' | 'commonDir'>,
  options: { engine?: History['engine'] } = {},
): Promise<History> {
  const engine = options.engine ?? (repo.git.available ? 'git' : 'isomorphic-git');
  const source =
    engine === 'git'
      ? (await import('./history-git.ts')).openGitSource(repo.git)
      : (await import('./history-isomorphic.ts')).openIsomorphicSource(repo);
  return new ObjectHistory(source, readShallow(repo.commonDir));
}

/** Ids of the commits at which a shallow clone ends. */
function readShallow(commonDir: string): ReadonlySet<string> {
  try {
    return new Set(readFileSync(join(commonDir, 'shallow'), 'utf8').split('\n'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Set();
    throw error;
  }
}

/** Answers every question of `History` from an engine's refs and objects; folders and commits are read once. */
class ObjectHistory implements History {
  readonly #source: ObjectSource;
  readonly #shallow: ReadonlySet<string>;
  readonly #commits = new Map<string, Commit>();
  readonly #trees = new Map<string, TreeEntry[]>();
  #refs: Promise<Ref[]> | undefined;

  constructor(source: ObjectSource, shallow: ReadonlySet<string>) {
    this.#source = source;
    this.#shallow = shallow;
  }

  get engine() {
    return this.#source.engine;
  }

  async resolve(revision: string): Promise<Commit> {
    return (await this.resolveAll([revision]))[0]!;
  }

  async resolveAll(revisions: readonly string[]): Promise<Commit[]> {
    return (await this.#lookUp(revisions)).map((commit, i) => {
      if (commit === undefined) throw new DvError('unknown-revision', { revision: revisions[i]! });
      return commit;
    });
  }

  async find(revision: string): Promise<Commit | undefined> {
    return (await this.#lookUp([revision]))[0];
  }

  async #lookUp(revisions: readonly string[]): Promise<(Commit | undefined)[]> {
    // Control characters are in no revision, and a newline would be a second question.
    const askable = revisions.filter((revision) => revision !== '' && !/[\x00-\x1f\x7f]/.test(revision));
    const answers = askable.length === 0 ? [] : await this.#source.resolve(askable);
    const found = new Map(askable.map((revision, i) => [revision, answers[i]!]));
    return revisions.map((revision) => {
      const answer = found.get(revision);
      if (answer === 'ambiguous') {
        throw new DvError('usage', {
          message: `${revision} could be more than one commit`,
          hint: 'write more of its digits',
        });
      }
      return answer === undefined || answer === 'unknown' ? undefined : this.#remember(answer);
    });
  }

  #remember(object: GitObject): Commit {
    const known = this.#commits.get(object.id);
    if (known !== undefined) return known;
    const parsed = parseCommit(object);
    const commit = this.#shallow.has(object.id) ? { ...parsed, parents: [] } : parsed;
    this.#commits.set(commit.id, commit);
    return commit;
  }

  /** Commits by full id. @throws {DvError} unknown-revision */
  async #commitsOf(ids: readonly string[]): Promise<Commit[]> {
    await this.#loadCommits(ids);
    return ids.map((id) => {
      const commit = this.#commits.get(id);
      if (commit === undefined) throw new DvError('unknown-revision', { revision: id });
      return commit;
    });
  }

  async #loadCommits(ids: readonly string[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#commits.has(id));
    if (unknown.length === 0) return;
    for (const object of await this.#source.read(unknown)) {
      if (object?.type === 'commit') this.#remember(object);
    }
  }

  async #loadTrees(ids: readonly string[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#trees.has(id));
    if (unknown.length === 0) return;
    for (const object of await this.#source.read(unknown)) {
      if (object?.type === 'tree') this.#trees.set(object.id, parseTree(object));
    }
  }

  /** A folder read before. A repository that lacks it is damaged: git says more. */
  #tree(id: string): TreeEntry[] {
    const tree = this.#trees.get(id);
    if (tree === undefined) {
      throw new DvError('git-failed', {
        command: 'git cat-file',
        status: null,
        output: `the tree ${id} is missing from the repository; git fsck names what else is`,
      });
    }
    return tree;
  }

  #allRefs(): Promise<Ref[]> {
    this.#refs ??= this.#source.refs();
    return this.#refs;
  }

  async currentBranch(): Promise<Ref | undefined> {
    return (await this.#allRefs()).find((ref) => ref.current);
  }

  async branches(options: BranchOptions = {}): Promise<Ref[]> {
    const refs = await this.#allRefs();
    const matches = options.glob === undefined ? () => true : branchMatcher(options.glob);
    const local = refs.filter((ref) => ref.kind === 'branch');
    const names = new Set(local.map((ref) => ref.name));
    const remote = options.remotes
      ? refs.filter((ref) => ref.kind === 'remote-branch' && !names.has(withoutRemote(ref.name)))
      : [];
    return [
      ...sorted(local.filter((ref) => matches(ref.name))),
      ...sorted(remote.filter((ref) => matches(ref.name) || matches(withoutRemote(ref.name)))),
    ];
  }

  async tags(): Promise<Ref[]> {
    return sorted((await this.#allRefs()).filter((ref) => ref.kind === 'tag'));
  }

  async listFiles(
    commits: readonly string[],
    matches: (path: string) => boolean,
    options: { enter?: (folder: string) => boolean } = {},
  ): Promise<FileAt[][]> {
    // Branches share most of their folders: one that has the same place and content is looked at once.
    interface Folder {
      readonly path: string;
      readonly id: string;
      /** Files, and the folders to go on in, in path order. */
      readonly found: (FileAt | Folder)[];
      files?: FileAt[];
    }
    const folders = new Map<string, Folder>();
    let level: Folder[] = [];
    const folderAt = (path: string, id: string): Folder => {
      const key = `${id} ${path}`;
      let folder = folders.get(key);
      if (folder === undefined) {
        folder = { path, id, found: [] };
        folders.set(key, folder);
        level.push(folder);
      }
      return folder;
    };
    const enter = options.enter ?? (() => true);
    const tops = (await this.#commitsOf(commits)).map((commit) => folderAt('', commit.tree));
    while (level.length > 0) {
      const now = level;
      level = [];
      await this.#loadTrees(now.map((folder) => folder.id));
      for (const folder of now) {
        for (const entry of this.#tree(folder.id)) {
          const path = entryPath(folder.path, entry);
          if (entry.mode === folderMode) {
            if (enter(path)) folder.found.push(folderAt(path, entry.id));
          } else if ((isRegularFile(entry.mode) || entry.mode === '120000') && matches(path)) {
            folder.found.push({ path, id: entry.id, mode: entry.mode });
          }
        }
      }
    }
    const filesOf = (folder: Folder): FileAt[] => {
      folder.files ??= folder.found.flatMap((item) => ('found' in item ? filesOf(item) : [item]));
      return folder.files;
    };
    return tops.map(filesOf);
  }

  async changedFiles(
    commits: readonly string[],
    matches: (path: string) => boolean,
  ): Promise<FileChange[][]> {
    const found = await this.#commitsOf(commits);
    const parents = await this.#commitsOf(found.flatMap(({ parents }) => parents.slice(0, 1)));
    const treeOf = new Map(parents.map(({ id, tree }) => [id, tree]));
    const pairs = found.map(({ parents, tree }) => ({ before: treeOf.get(parents[0] ?? ''), after: tree }));
    return findChanges(pairs, matches, async (ids) => {
      await this.#loadTrees(ids);
      return ids.map((id) => this.#tree(id));
    });
  }

  /** The entry at each path, or undefined. A link on the way is not followed. */
  async #entries(
    requests: readonly { commit: string; path: string }[],
  ): Promise<(Pick<TreeEntry, 'id' | 'mode'> | undefined)[]> {
    const commits = await this.#commitsOf(requests.map((request) => request.commit));
    const found: (Pick<TreeEntry, 'id' | 'mode'> | undefined)[] = commits.map(({ tree }) => ({
      id: tree,
      mode: folderMode,
    }));
    const parts = requests.map((request) => request.path.split('/'));
    const depth = parts.reduce((most, { length }) => Math.max(most, length), 0);
    for (let i = 0; i < depth; i++) {
      const inFolder = (at: number) => i < parts[at]!.length && found[at]?.mode === folderMode;
      await this.#loadTrees(found.filter((_, at) => inFolder(at)).map((entry) => entry!.id));
      for (const [at, names] of parts.entries()) {
        if (i >= names.length) continue;
        found[at] = inFolder(at)
          ? this.#tree(found[at]!.id).find((entry) => entry.name === names[i])
          : undefined;
      }
    }
    return found;
  }

  async readFiles(requests: readonly { commit: string; path: string }[]): Promise<(Buffer | undefined)[]> {
    const entries = await this.#entries(requests);
    const ids = entries.map((entry) => (entry && isRegularFile(entry.mode) ? entry.id : undefined));
    const wanted = ids.filter((id) => id !== undefined);
    const blobs = new Map((await this.readBlobs(wanted)).map((bytes, i) => [wanted[i]!, bytes]));
    return ids.map((id) => (id === undefined ? undefined : blobs.get(id)));
  }

  async readBlobs(ids: readonly string[]): Promise<Buffer[]> {
    const unique = [...new Set(ids)];
    const objects = unique.length === 0 ? [] : await this.#source.read(unique);
    const blobs = new Map(unique.map((id, i) => [id, objects[i]]));
    return ids.map((id) => {
      const object = blobs.get(id);
      if (object === undefined) {
        throw new DvError('git-failed', {
          command: 'git cat-file',
          status: null,
          output: `the object ${id} is missing from the repository; git fsck names what else is`,
        });
      }
      return object.bytes;
    });
  }

  async walk(options: WalkOptions): Promise<Commit[]> {
    if (options.from.length === 0 || options.limit === 0) return [];
    if (this.#source.walk !== undefined) return this.#commitsOf(await this.#source.walk(options));
    return this.#walkObjects(options);
  }

  /** What `git rev-list` does: by date, and with paths, along the parent that has them unchanged. */
  async #walkObjects({ from, paths, limit = Infinity, firstParent = false }: WalkOptions): Promise<Commit[]> {
    const result: Commit[] = [];
    const queue: Commit[] = [];
    const seen = new Set<string>();
    const push = (commit: Commit) => {
      if (seen.has(commit.id)) return;
      seen.add(commit.id);
      // Behind all of the same date, so that equal dates come in the order they were met.
      let at = queue.length;
      while (at > 0 && queue[at - 1]!.date < commit.date) at--;
      queue.splice(at, 0, commit);
    };
    for (const commit of await this.#commitsOf(from)) push(commit);
    while (queue.length > 0 && result.length < limit) {
      const commit = queue.shift()!;
      const ids = firstParent ? commit.parents.slice(0, 1) : commit.parents;
      await this.#loadCommits(ids);
      const parents = ids.flatMap((id) => this.#commits.get(id) ?? []);
      if (paths === undefined) {
        result.push(commit);
        for (const parent of parents) push(parent);
        continue;
      }
      const own = await this.#contentOf(commit.id, paths);
      const others = await Promise.all(parents.map((parent) => this.#contentOf(parent.id, paths)));
      const same = others.indexOf(own);
      if (same !== -1) push(parents[same]!);
      else {
        if (parents.length > 0 || own !== paths.map(() => '').join()) result.push(commit);
        for (const parent of parents) push(parent);
      }
    }
    return result;
  }

  /** What a commit has at some paths, as one text: equal texts are equal content. */
  async #contentOf(commit: string, paths: readonly string[]): Promise<string> {
    const entries = await this.#entries(paths.map((path) => ({ commit, path })));
    return entries.map((entry) => (entry === undefined ? '' : `${entry.mode} ${entry.id}`)).join();
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const sorted = (refs: Ref[]) => refs.sort((a, b) => comparePaths(a.fullName, b.fullName));
