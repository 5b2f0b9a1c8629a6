/** The part of `History` that both engines share: folders, files and simplified history, from refs and objects. */
import { DvError } from '../errors.ts';
import { branchMatcher } from '../model/branch-pattern.ts';
import { comparePaths } from '../model/repo-path.ts';
import type { BranchOptions, FileAt, History, ObjectSource, Ref, WalkOptions } from './history.ts';
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

/** The name of a remote's branch without the remote's. */
const withoutRemote = (name: string) => name.slice(name.indexOf('/') + 1);

/** Answers every question of `History` from an engine's refs and objects; folders and commits are read once. */
export class ObjectHistory implements History {
  readonly #source: ObjectSource;
  readonly #shallow: ReadonlySet<string>;
  readonly #commits = new Map<string, Commit>();
  readonly #trees = new Map<string, TreeEntry[]>();
  #refs: Promise<Ref[]> | undefined;

  /** @param shallow ids of the commits at which a shallow clone ends. */
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
