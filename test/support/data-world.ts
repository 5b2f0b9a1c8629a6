/** Repositories with tracked data, their clones, and remotes, for tests of push and fetch. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { RepoPath } from '../../core/model/repo-path.ts';
import { add } from '../../core/ops/add.ts';
import type { Remote } from '../../core/store/remote.ts';
import { openRepo, type Repo } from '../../core/store/repo.ts';
import { damagedObjects, objectsIn } from './cache-objects.ts';
import { type TestRepo, testRepo } from './repo.ts';

/** Bytes that depend on a seed alone and do not deflate. */
export function noise(seed: string | number, length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(String(seed)).digest();
}

/** A repository whose `data` folders are tracked and committed. */
export async function dataRepo(
  files: Record<string, string | Uint8Array>,
  tracked: readonly string[],
): Promise<TestRepo> {
  const world = await testRepo(files);
  await addAndCommit(world, tracked, 'data');
  return world;
}

/** Records paths and commits the pointers. */
export async function addAndCommit(
  world: TestRepo,
  tracked: readonly string[],
  message: string,
): Promise<string> {
  await add(world.open(), tracked as RepoPath[]);
  return world.commit(message);
}

/** Clones a world's repository, without its data, into its `outside` folder. */
export function cloneOf(world: TestRepo, name = 'clone'): Repo {
  const path = join(world.outside, name);
  execFileSync('git', ['clone', '--quiet', world.root, path], { env: world.env, stdio: 'pipe' });
  return openRepo({ cwd: path, env: world.env });
}

/** Opens a clone again, so that its files are read again. */
export const reopen = (repo: Repo, world: TestRepo) => openRepo({ cwd: repo.root, env: world.env });

/** Objects of a cache whose bytes are not those of their digest. */
export const damagedIn = (repo: Repo): string[] => damagedObjects(repo.objectsDir);

/** How many objects a cache holds. */
export const objectCount = (repo: Repo): number => objectsIn(repo.objectsDir).length;

/** A call of a remote, as `watched` reports it. */
export interface Call {
  readonly name: keyof Remote;
  readonly key: string;
}

/** A remote whose calls are seen before they are made; what `before` throws, the call throws. */
export function watched(remote: Remote, before: (call: Call) => void | Promise<void>): Remote {
  return {
    url: remote.url,
    async get(key, call) {
      await before({ name: 'get', key });
      return remote.get(key, call);
    },
    async getRange(key, offset, length, call) {
      await before({ name: 'getRange', key });
      return remote.getRange(key, offset, length, call);
    },
    async head(key, call) {
      await before({ name: 'head', key });
      return remote.head(key, call);
    },
    async put(key, bytes, call) {
      await before({ name: 'put', key });
      return remote.put(key, bytes, call);
    },
    async putIfAbsent(key, bytes, call) {
      await before({ name: 'putIfAbsent', key });
      return remote.putIfAbsent(key, bytes, call);
    },
    async putStream(key, source, call) {
      await before({ name: 'putStream', key });
      return remote.putStream(key, source, call);
    },
    async *list(prefix, call) {
      await before({ name: 'list', key: prefix });
      yield* remote.list(prefix, call);
    },
    async delete(key, options) {
      await before({ name: 'delete', key });
      return remote.delete(key, options);
    },
    close: () => remote.close(),
  };
}

/** The keys of a remote. */
export async function keysOf(remote: Remote): Promise<string[]> {
  const keys: string[] = [];
  for await (const entry of remote.list('')) keys.push(entry.key);
  return keys.sort();
}
