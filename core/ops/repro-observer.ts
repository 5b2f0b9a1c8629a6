/** Looks at what stages read and write, each path once. */
import { lstatSync, readFileSync } from 'node:fs';
import { DvError, systemCode } from '../errors.ts';
import type { Report } from '../events.ts';
import { digestOf } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { isWithin, type RepoPath } from '../model/repo-path.ts';
import type { Stage } from '../pipeline/stage.ts';
import { capture } from '../store/capture.ts';
import { absolutePath, type Repo } from '../store/repo.ts';

/** Metrics files are kept in git: nothing larger belongs there. */
export const largestMetricsBytes = 1_000_000;

/** Remembers what is where, until told that it changed. */
export class Observer {
  readonly #repo: Repo;
  readonly #options: { report?: Report; signal?: AbortSignal };
  readonly #seen = new Map<RepoPath, Promise<Pointer | undefined>>();

  /** @param known what others have just seen; undefined where nothing is */
  constructor(
    repo: Repo,
    options: { report?: Report; signal?: AbortSignal },
    known: ReadonlyMap<RepoPath, Pointer | undefined> = new Map(),
  ) {
    this.#repo = repo;
    this.#options = options;
    for (const [path, pointer] of known) this.#seen.set(path, Promise.resolve(pointer));
  }

  /** What is at a path, undefined when nothing is. @throws {DvError} some-failed when not all of it is readable */
  look(path: RepoPath): Promise<Pointer | undefined> {
    let found = this.#seen.get(path);
    if (found === undefined) {
      found = this.#capture(path);
      this.#seen.set(path, found);
    }
    return found;
  }

  /** Looks anew at a path and everything above and below it next time. */
  forget(path: RepoPath): void {
    for (const seen of this.#seen.keys()) {
      if (isWithin(seen, path) || isWithin(path, seen)) this.#seen.delete(seen);
    }
  }

  async #capture(path: RepoPath): Promise<Pointer | undefined> {
    try {
      const { pointer, failures } = await capture(this.#repo, path, {
        store: false,
        remember: true,
        ...this.#options,
      });
      if (failures.length === 0) return pointer;
      throw new DvError('some-failed', {
        verb: 'read',
        failures: failures.map((failure) => `${failure.path}: ${failure.reason}`),
        total: failures.length,
      });
    } catch (error) {
      if (error instanceof DvError && error.code === 'path-missing') return undefined;
      throw error;
    }
  }

  /** Looks at everything a stage reads and writes. */
  async lookAtStage(stage: Stage): Promise<Map<RepoPath, Pointer | undefined>> {
    const found = new Map<RepoPath, Pointer | undefined>();
    for (const { path } of [...stage.deps, ...stage.outs]) found.set(path, await this.look(path));
    for (const { path } of stage.metrics) found.set(path, lookAtMetrics(this.#repo, path)?.pointer);
    return found;
  }
}

/** A metrics file as it is, undefined when there is none. It is git's: dv keeps no stat index of it. */
export function lookAtMetrics(
  repo: Repo,
  path: RepoPath,
): { pointer: Pointer; content: Buffer | undefined } | undefined {
  const absolute = absolutePath(repo, path);
  try {
    const info = lstatSync(absolute);
    // What is no file of that size cannot be what the lock says: any other digest will do.
    if (!info.isFile() || info.size > largestMetricsBytes) {
      const digest = digestOf(`not a metrics file: ${info.mode} ${info.size} ${info.mtimeMs}`);
      return { pointer: { kind: 'file', digest, bytes: info.size }, content: undefined };
    }
    const content = readFileSync(absolute);
    return { pointer: { kind: 'file', digest: digestOf(content), bytes: content.length }, content };
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
