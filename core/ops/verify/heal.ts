/** Getting whole bytes for objects that are damaged or missing: from files of the workspace, or from a remote. */
import { join } from 'node:path';
import { isDvError } from '../../errors.ts';
import { type Report, silent } from '../../events.ts';
import type { Digest } from '../../model/digest.ts';
import { encodeTree } from '../../model/tree.ts';
import { CacheWriter } from '../../store/cache-writer.ts';
import { capture } from '../../store/capture.ts';
import { writeNewObject } from '../../store/new-objects.ts';
import { readFiles } from '../../store/read-files.ts';
import type { Repo } from '../../store/repo.ts';
import { ThreadPool } from '../../store/thread-pool.ts';
import type { Holdings } from '../transfer/holdings.ts';
import { receive, type Wanted } from '../transfer/receive.ts';
import type { DataPath } from '../workspace-data.ts';
import { pathsUsing } from './walk-data.ts';

interface HealOptions {
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Heals from the workspace: an unchanged file has the bytes of its object, and unchanged folders give their listings.
 * @param healed takes what was healed.
 */
export async function healFromWorkspace(
  repo: Repo,
  data: readonly DataPath[],
  bad: ReadonlySet<Digest>,
  healed: Map<Digest, string>,
  options: HealOptions,
): Promise<void> {
  const writer = new CacheWriter(repo);
  const found: Digest[] = [];
  try {
    const folder = writer.folder();
    // Where nothing is: what the cache has under the name is what is to be replaced.
    const store = { objectsDir: join(folder, 'none'), temporaryFolder: folder };
    const using = pathsUsing(repo, data, bad);
    for (const [digest, paths] of using) {
      for (const path of paths) {
        options.signal?.throwIfAborted();
        const { stored } = readFiles({ kind: 'read', root: repo.root, folder: '', names: path, store });
        if (!stored.includes(digest)) continue;
        found.push(digest);
        break;
      }
    }
    // A listing is used by its folder itself.
    const used = new Set([...using.values()].flat());
    for (const { path } of data.filter((each) => each.pointer.kind === 'tree' && used.has(each.path))) {
      for (const object of await listingsOf(repo, path, options)) {
        if (!bad.has(object.digest) || found.includes(object.digest)) continue;
        writeNewObject(folder, object.digest, object.bytes);
        found.push(object.digest);
      }
    }
    writer.adopt(found);
    await writer.commit();
  } finally {
    writer.discard();
  }
  for (const digest of found) healed.set(digest, 'workspace');
}

/** The listings that a folder has as it is now. */
async function listingsOf(repo: Repo, path: DataPath['path'], options: HealOptions) {
  try {
    const { entries } = await capture(repo, path, { store: false, ...options });
    return (await encodeTree(entries)).objects;
  } catch (error) {
    if (isDvError(error, 'path-missing') || isDvError(error, 'some-failed')) return [];
    throw error;
  }
}

/** Heals from remotes, from any place that has the bytes whole. */
export async function healFromRemotes(
  repo: Repo,
  { sources }: Holdings,
  bad: readonly Digest[],
  healed: Map<Digest, string>,
  { report = silent, signal }: HealOptions,
): Promise<void> {
  const pool = new ThreadPool();
  const writer = new CacheWriter(repo, pool);
  let files = 0;
  let bytes = 0;
  const advance = (count: number, size: number) => {
    files += count;
    bytes += size;
    report({ type: 'progress', task: 'receiving', files, totalFiles: bad.length, bytes });
  };
  try {
    for (const { remote, places } of sources) {
      let open = bad.filter((digest) => !healed.has(digest));
      for (let attempt = 0; open.length > 0; attempt++) {
        const wanted = open.flatMap((digest): Wanted[] => {
          const place = places(digest)[attempt];
          return place === undefined ? [] : [{ digest, sizeBytes: 0, place }];
        });
        if (wanted.length === 0) break;
        const failed = new Set(
          (await receive(wanted, { remote, writer, advance, signal })).map(({ digest }) => digest),
        );
        for (const { digest } of wanted) if (!failed.has(digest)) healed.set(digest, remote.url);
        open = open.filter((digest) => !healed.has(digest));
      }
    }
  } finally {
    writer.discard();
    await pool.close();
  }
}
