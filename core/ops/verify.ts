/** `dv verify`: reads objects of the cache again, names damaged and missing ones, and heals them. */
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { listObjects } from '../store/object-list.ts';
import type { Repo } from '../store/repo.ts';
import { chooseData } from './choose-data.ts';
import { askRemotes, type NamedRemote } from './transfer/holdings.ts';
import { hashObjects } from './verify/hash-objects.ts';
import { healFromRemotes, healFromWorkspace } from './verify/heal.ts';
import { type Fault, type Found, pathsUsing, walkData } from './verify/walk-data.ts';
import { type DataPath, listWorkspaceData } from './workspace-data.ts';

/** How to verify. */
export interface VerifyOptions {
  /** Only these tracked paths, parts of them, or patterns; by default all data of the workspace. */
  readonly paths?: readonly RepoPath[];
  /** Every object of the cache. */
  readonly all: boolean;
  /** Whether what is wrong is healed, from files of the workspace or from remotes. */
  readonly repair: boolean;
  /** Asked only when something is to be healed. */
  readonly remotes: readonly NamedRemote[];
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** An object that is not what it should be. */
export interface BadObject {
  readonly digest: Digest;
  readonly problem: Fault['problem'];
  /** For `unreadable`: what the system says. */
  readonly reason?: string;
  /** Paths of the workspace's data that use it; none when only other revisions do. */
  readonly paths: readonly string[];
  /** Where whole bytes were found: `workspace`, or the URL of a remote. Absent while it is still bad. */
  readonly healedFrom?: string;
}

/** What was found. */
export interface VerifyResult {
  /** How many objects were looked at, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly bad: readonly BadObject[];
  /** Remotes that could not be asked. */
  readonly unasked: readonly { readonly remote: string; readonly reason: string }[];
}

/**
 * Verifies the cache. With `repair` a bad object is replaced by whole bytes, at once and durably: at every moment it is
 * the old file or the new one. What cannot be healed stays as it is.
 * @throws {DvError} path-not-tracked, invalid-file, disk-full, not-writable
 */
export async function verify(repo: Repo, options: VerifyOptions): Promise<VerifyResult> {
  const data = listWorkspaceData(repo);
  const checked = new Checked();
  await check(repo, data, checked, options);
  const faults = new Map(checked.faults);
  const healed = new Map<Digest, string>();
  let unasked: VerifyResult['unasked'] = [];
  if (options.repair && faults.size > 0) {
    const holdings = await askRemotes(repo, options.remotes, {
      report: options.report ?? silent,
      signal: options.signal,
    });
    unasked = holdings.unasked;
    try {
      // What a healed listing names is looked at in the next round.
      for (let before = -1; healed.size > before; ) {
        before = healed.size;
        const open = [...faults.keys()].filter((digest) => !healed.has(digest));
        await healFromWorkspace(repo, data, new Set(open), healed, options);
        await healFromRemotes(
          repo,
          holdings,
          open.filter((digest) => !healed.has(digest)),
          healed,
          options,
        );
        for (const digest of healed.keys()) checked.faults.delete(digest);
        if (healed.size > before) await check(repo, data, checked, { ...options, all: false });
        for (const [digest, fault] of checked.faults) faults.set(digest, fault);
      }
    } finally {
      await holdings.close();
    }
  }
  const paths = pathsUsing(repo, data, new Set(faults.keys()));
  return {
    objects: checked.objects,
    bytes: checked.bytes,
    unasked,
    bad: [...faults].map(([digest, fault]) => ({
      digest,
      ...fault,
      paths: paths.get(digest) ?? [],
      ...(healed.has(digest) ? { healedFrom: healed.get(digest)! } : {}),
    })),
  };
}

/** What was looked at so far. */
class Checked implements Found {
  readonly faults = new Map<Digest, Fault>();
  readonly seen = new Set<Digest>();
  objects = 0;
  bytes = 0;
}

/** Looks at what was not looked at before. */
async function check(
  repo: Repo,
  data: readonly DataPath[],
  found: Checked,
  { paths, all, report = silent, signal }: VerifyOptions,
): Promise<void> {
  const choice = chooseData(data, paths);
  const files = new Map<Digest, number>();
  walkData(repo, choice.data, found, (digest, sizeBytes) => files.set(digest, sizeBytes));
  choice.checkUsed();
  if (all) {
    const list = await listObjects(repo, signal);
    for (let row = 0; row < list.length; row++) {
      const digest = list.digest(row);
      if (!found.seen.has(digest) && !files.has(digest)) files.set(digest, list.sizes[row]!);
    }
  }
  for (const digest of files.keys()) found.seen.add(digest);
  await hashObjects(repo, files, found, { report, signal });
}
