/**
 * History without the git program: objects through isomorphic-git, refs and revisions read here, since
 * isomorphic-git knows neither linked worktrees nor `HEAD~2`.
 * Formats: gitrepository-layout(5), gitrevisions(7), git-pack-refs(1).
 */
import fs from 'node:fs';
import { dirname, isAbsolute, join, resolve as resolvePath } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { parseGitConfig } from '../model/git-config.ts';
import type { ObjectSource, Ref } from './history.ts';
import { type GitObject, parseCommit, parseTagTarget } from './history-objects.ts';
import type { Repo } from './repo.ts';

const readIfThere = (path: string): string | undefined => {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error;
  }
};

/** Names the first feature of a repository that only git itself can read, or gives undefined. */
function unreadableFeature(commonDir: string): string | undefined {
  const file = join(commonDir, 'config');
  for (const { key, value } of parseGitConfig(readIfThere(file) ?? '', file)) {
    if (key === 'extensions.objectformat' && value !== 'sha1') return `${value} object names`;
    if (key === 'extensions.refstorage' && value !== 'files') return `the ${value} ref storage`;
    if (key === 'extensions.partialclone') return 'a partial clone';
    if (/^remote\..*\.promisor$/.test(key) && value === 'true') return 'a partial clone';
  }
  return undefined;
}

/** Git directories whose objects this one borrows (`objects/info/alternates`), itself first. */
function objectStores(commonDir: string): string[] {
  const stores: string[] = [];
  const visit = (gitDir: string) => {
    if (stores.includes(gitDir)) return;
    stores.push(gitDir);
    const objects = join(gitDir, 'objects');
    for (const line of (readIfThere(join(objects, 'info', 'alternates')) ?? '').split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      visit(dirname(isAbsolute(line) ? line : resolvePath(objects, line)));
    }
  };
  visit(commonDir);
  return stores;
}

/** Every ref by full name: an object id, or `ref: <full name>`. Loose files win over packed-refs. */
function readRawRefs(commonDir: string): Map<string, string> {
  const raw = new Map<string, string>();
  for (const line of (readIfThere(join(commonDir, 'packed-refs')) ?? '').split('\n')) {
    const match = /^([0-9a-f]{40}) (.+)$/.exec(line);
    if (match !== null) raw.set(match[2]!, match[1]!);
  }
  const visit = (folder: string) => {
    for (const entry of fs.readdirSync(join(commonDir, folder), { withFileTypes: true })) {
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(name);
      else if (!entry.name.endsWith('.lock')) {
        const text = readIfThere(join(commonDir, name))?.trimEnd();
        if (text !== undefined) raw.set(name, text);
      }
    }
  };
  visit('refs');
  return raw;
}

const idPattern = /^[0-9a-f]{40}$/;

/** Follows `ref: …` to an object id. */
function followRef(raw: ReadonlyMap<string, string>, text: string | undefined): string | undefined {
  let at = text;
  // git follows five links at most (SYMREF_MAXDEPTH).
  for (let i = 0; i < 5 && at?.startsWith('ref: '); i++) at = raw.get(at.slice(5).trim());
  return at !== undefined && idPattern.test(at) ? at : undefined;
}

const kinds = [
  ['refs/heads/', 'branch'],
  ['refs/remotes/', 'remote-branch'],
  ['refs/tags/', 'tag'],
] as const;

/**
 * Opens the engine. isomorphic-git is loaded with the first object.
 * @throws {DvError} git-feature
 */
export function openIsomorphicSource(repo: Pick<Repo, 'gitDir' | 'commonDir'>): ObjectSource {
  const feature = unreadableFeature(repo.commonDir);
  if (feature !== undefined) throw new DvError('git-feature', { feature });
  const stores = objectStores(repo.commonDir);
  const cache = {};
  let rawRefs: Map<string, string> | undefined;
  const raw = () => {
    rawRefs ??= readRawRefs(repo.commonDir);
    return rawRefs;
  };

  const readOne = async (id: string): Promise<GitObject | undefined> => {
    const { readObject, Errors } = await import('isomorphic-git');
    for (const gitdir of stores) {
      try {
        const found = await readObject({ fs, gitdir, oid: id, format: 'content', cache });
        if (found.type === 'deflated' || found.type === 'wrapped' || !('object' in found)) continue;
        return { id, type: found.type as GitObject['type'], bytes: Buffer.from(found.object as Uint8Array) };
      } catch (error) {
        if (!(error instanceof Errors.NotFoundError)) throw error;
      }
    }
    return undefined;
  };

  /** The commit an object is or, as a tag, leads to. */
  const peel = async (id: string): Promise<GitObject | undefined> => {
    let object = await readOne(id);
    while (object?.type === 'tag') {
      const target = parseTagTarget(object.bytes);
      object = target === undefined ? undefined : await readOne(target);
    }
    return object?.type === 'commit' ? object : undefined;
  };

  /** Full ids that begin with some digits. */
  const expand = async (digits: string): Promise<string[]> => {
    const { expandOid, Errors } = await import('isomorphic-git');
    const found = new Set<string>();
    for (const gitdir of stores) {
      try {
        found.add(await expandOid({ fs, gitdir, oid: digits, cache }));
      } catch (error) {
        if (error instanceof Errors.AmbiguousError) for (const id of error.data.matches) found.add(id);
        else if (!(error instanceof Errors.NotFoundError)) throw error;
      }
    }
    return [...found];
  };

  /** A name without `~` and `^`, in the order of gitrevisions(7). */
  const resolveName = async (name: string): Promise<GitObject | 'unknown' | 'ambiguous'> => {
    if (idPattern.test(name)) return (await peel(name)) ?? 'unknown';
    if (/^([A-Z][A-Z_]*_)?HEAD$/.test(name)) {
      const text = readIfThere(join(repo.gitDir, name))?.trimEnd();
      const id = followRef(raw(), text) ?? /^[0-9a-f]{40}\b/.exec(text ?? '')?.[0];
      if (id !== undefined) return (await peel(id)) ?? 'unknown';
    }
    for (const place of ['', 'refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/']) {
      const id = followRef(raw(), raw().get(place + name));
      if (id !== undefined) return (await peel(id)) ?? 'unknown';
    }
    const remoteHead = followRef(raw(), raw().get(`refs/remotes/${name}/HEAD`));
    if (remoteHead !== undefined) return (await peel(remoteHead)) ?? 'unknown';
    if (!/^[0-9a-f]{4,39}$/i.test(name)) return 'unknown';
    // Where a commit is asked for, digits that could also be a file's are no ambiguity.
    const commits = new Map<string, GitObject>();
    for (const id of await expand(name.toLowerCase())) {
      const commit = await peel(id);
      if (commit !== undefined) commits.set(commit.id, commit);
    }
    if (commits.size > 1) return 'ambiguous';
    return commits.values().next().value ?? 'unknown';
  };

  const resolveOne = async (revision: string): Promise<GitObject | 'unknown' | 'ambiguous'> => {
    const match = /^([^~^]+)((?:~\d*|\^\d*|\^\{(?:commit)?\})*)$/.exec(revision);
    if (match === null) return 'unknown';
    const start = await resolveName(match[1] === '@' ? 'HEAD' : match[1]!);
    if (typeof start === 'string') return start;
    let commit: GitObject | undefined = start;
    for (const [, sign, number] of match[2]!.matchAll(/(?:(~|\^)(\d*))(?!\{)/g)) {
      const parent = sign === '^' ? (number === '' ? 1 : Number(number)) : 1;
      const steps = sign === '~' && number !== '' ? Number(number) : 1;
      for (let i = 0; i < steps && parent > 0 && commit !== undefined; i++) {
        const id: string | undefined = parseCommit(commit).parents[parent - 1];
        commit = id === undefined ? undefined : await readOne(id);
      }
    }
    return commit ?? 'unknown';
  };

  return {
    engine: 'isomorphic-git',
    async refs() {
      const head = /^ref: (.+)$/.exec(readIfThere(join(repo.gitDir, 'HEAD'))?.trimEnd() ?? '')?.[1];
      const refs: Ref[] = [];
      for (const [fullName, text] of raw()) {
        const found = kinds.find(([prefix]) => fullName.startsWith(prefix));
        if (found === undefined) continue;
        const [prefix, kind] = found;
        if (kind === 'remote-branch' && text.startsWith('ref: ')) continue;
        const id = followRef(raw(), text);
        // A branch is always a commit; a tag must be looked at.
        const commit = id === undefined || kind !== 'tag' ? id : (await peel(id))?.id;
        if (commit === undefined) continue;
        refs.push({
          kind,
          name: fullName.slice(prefix.length),
          fullName,
          commit,
          current: fullName === head,
        });
      }
      return refs;
    },
    resolve: (revisions) => Promise.all(revisions.map(resolveOne)),
    read: (ids) => Promise.all(ids.map(readOne)),
    close: async () => {},
  };
}
