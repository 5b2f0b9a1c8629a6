/** What `dv repro` does to the files stages write: sets them aside, removes, restores and records them. */
import { lstatSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { parentOf, type RepoPath } from '../model/repo-path.ts';
import { restoreCommand } from '../model/shell.ts';
import { readTree } from '../model/tree.ts';
import type { LockEntry } from '../pipeline/lock-file.ts';
import { noteRunning, readNote } from '../pipeline/running.ts';
import type { Stage } from '../pipeline/stage.ts';
import { samePointer } from '../pipeline/staleness.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { hasObject, readObject } from '../store/cache.ts';
import { CacheWriter } from '../store/cache-writer.ts';
import { capture } from '../store/capture.ts';
import { ensureIgnored } from '../store/gitignore.ts';
import { markFinished, markUnfinished } from '../store/leftovers.ts';
import { materialise } from '../store/materialise.ts';
import { missingObjects } from '../store/objects.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { loadStatIndex, removeStatIndex } from '../store/stat-index.ts';
import { largestMetricsBytes, lookAtMetrics } from './repro-observer.ts';

/** What a stage wrote, or is to have written. */
export interface Outputs {
  readonly outs: ReadonlyMap<RepoPath, Pointer>;
  readonly metrics: ReadonlyMap<RepoPath, Pointer>;
}

/** A stage and what is known about it, for everything below. */
export interface OutputJob {
  readonly repo: Repo;
  readonly stage: Stage;
  /** What the lock says it wrote. */
  readonly entry: LockEntry | undefined;
  /** What is in the workspace at each of its paths. */
  readonly found: ReadonlyMap<RepoPath, Pointer | undefined>;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

const callOptions = ({ report, signal }: OutputJob) => ({
  ...(report === undefined ? {} : { report }),
  ...(signal === undefined ? {} : { signal }),
});

/** Refuses to write below a link, which may lead anywhere. @throws {DvError} unsafe-link */
function refuseLinksAbove(repo: Repo, path: RepoPath): void {
  for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
    const absolute = absolutePath(repo, folder);
    const info = lstatSync(absolute, { throwIfNoEntry: false });
    if (info?.isSymbolicLink())
      throw new DvError('unsafe-link', { repoPath: folder, target: readlinkSync(absolute) });
  }
}

/** Refuses outs that git tracks: dv would ignore and replace what git versions. @throws {DvError} path-tracked-by-git */
export function refuseGitTracked(repo: Repo, stage: Stage): void {
  if (stage.outs.length === 0 || !repo.git.available) return;
  for (const { path } of stage.outs) {
    const listed = repo.git.output(['--literal-pathspecs', 'ls-files', '-z', '--cached', '--', path]);
    const example = listed.split('\0')[0];
    if (example !== undefined && example !== '')
      throw new DvError('path-tracked-by-git', { repoPath: path, example });
  }
}

/** Whether a `.gitignore` of the repository ignores a path; private rules of this machine do not count. */
function isIgnoredHere(repo: Repo, path: RepoPath): boolean {
  if (!repo.git.available) return false;
  const { status, stdout } = repo.git.run(['check-ignore', '--verbose', '--', path]);
  if (status !== 0) return false;
  const [source, , pattern] = (stdout.split('\t')[0] ?? '').split(':');
  return (
    source !== undefined &&
    !source.startsWith('/') &&
    /(^|\/)\.gitignore$/.test(source) &&
    pattern?.startsWith('!') === false
  );
}

/**
 * Writes files of the workspace so that what a killed write leaves beside them is found and removed. Call under
 * the lock of the worktree.
 */
export function writeMarked<Result>(repo: Repo, paths: readonly RepoPath[], write: () => Result): Result {
  markUnfinished(repo, paths);
  const result = write();
  markFinished(repo);
  return result;
}

/** Keeps git away from outs. Call under the lock of the worktree. @returns the ignore files that were written */
export function ignoreOuts(repo: Repo, stage: Stage): RepoPath[] {
  const paths = stage.outs.map(({ path }) => path).filter((path) => !isIgnoredHere(repo, path));
  if (paths.length === 0) return [];
  return writeMarked(repo, paths, () => ensureIgnored(repo, paths));
}

/** How what is at an out came to be there. */
type Origin =
  /** dv put or recorded exactly this. */
  | 'own'
  /** A failed run left it; nobody touched it since. */
  | 'leftover'
  /** A run was killed while it wrote, or somebody edited it. */
  | 'interrupted'
  | 'edited';

async function originOf(job: OutputJob, path: RepoPath, pointer: Pointer): Promise<Origin> {
  const note = readNote(job.repo, job.stage.name);
  if (note?.left?.get(path) === pointer.digest) return 'leftover';
  if (samePointer(job.entry?.outs.get(path), pointer)) return 'own';
  const index = await loadStatIndex(job.repo, path);
  if (index?.placed && index.digest === pointer.digest) return 'own';
  return note !== undefined && note.left === undefined ? 'interrupted' : 'edited';
}

function warnSaved(job: OutputJob, path: RepoPath, digest: Digest, origin: Origin): void {
  const report = job.report ?? silent;
  const { name } = job.stage;
  if (origin === 'edited') {
    report({
      type: 'warning',
      message: `${path} is not what ${name} wrote; what it held is saved`,
      hint: `to get it back: ${restoreCommand({ path, digest }, false)}`,
    });
  } else if (origin === 'interrupted') {
    report({
      type: 'warning',
      message: `${path} is what an interrupted dv repro of ${name} left; it is saved`,
      hint: `to get it back: ${restoreCommand({ path, digest }, false)}`,
    });
  }
}

/** Puts what is at an out into the cache, complete. @throws {DvError} some-failed when not all of it is readable */
async function save(job: OutputJob, path: RepoPath): Promise<Digest> {
  const { pointer, failures } = await capture(job.repo, path, { store: true, ...callOptions(job) });
  if (failures.length === 0) return pointer.digest;
  throw new DvError('some-failed', {
    verb: 'saved before they are replaced',
    failures: failures.map((failure) => `${failure.path}: ${failure.reason}`),
    total: failures.length,
  });
}

function removeOut(repo: Repo, path: RepoPath): void {
  refuseLinksAbove(repo, path);
  rmSync(absolutePath(repo, path), { recursive: true, force: true });
}

function makeParent(repo: Repo, path: RepoPath): void {
  refuseLinksAbove(repo, path);
  mkdirSync(dirname(absolutePath(repo, path)), { recursive: true });
}

/** A metrics file that was set aside. */
export interface SetAside {
  readonly path: RepoPath;
  readonly content: Buffer;
}

/**
 * Clears the way for a run: outs are removed, so that nothing of an old run can pass for a new one, after what
 * the cache lacks of them is saved. Metrics files likewise.
 * @returns the metrics files as they were, to be put back if the run fails.
 * @throws {DvError} unsafe-link, some-failed, disk-full, not-writable
 */
export async function clearOutputs(job: OutputJob): Promise<SetAside[]> {
  const { repo, stage, found } = job;
  const aside: SetAside[] = [];
  if (!stage.persist) {
    for (const { path } of stage.outs) {
      const pointer = found.get(path);
      if (pointer === undefined) continue;
      const origin = await originOf(job, path, pointer);
      if (origin !== 'leftover') warnSaved(job, path, await save(job, path), origin);
    }
    for (const { path } of stage.metrics) {
      const content = await setMetricsAside(job, path);
      if (content !== undefined) aside.push({ path, content });
    }
  }
  // From here on what is in the outs may be half of something.
  noteRunning(repo, stage.name);
  clearAttempt(repo, stage);
  for (const { path } of [...stage.outs, ...stage.metrics]) makeParent(repo, path);
  return aside;
}

/** Saves a metrics file that is not what the lock says. */
async function setMetricsAside(job: OutputJob, path: RepoPath): Promise<Buffer | undefined> {
  const now = lookAtMetrics(job.repo, path);
  if (now === undefined) return undefined;
  if (now.content === undefined) {
    throw new DvError('stage-output', {
      stage: job.stage.name,
      problem: `${path} is in the way: it is no file, or larger than a metrics file can be`,
    });
  }
  await saveMetrics(job, path, now.content, now.pointer);
  return now.content;
}

/** Puts a metrics file into the cache unless the lock or a failed run knows it. */
async function saveMetrics(job: OutputJob, path: RepoPath, content: Buffer, pointer: Pointer): Promise<void> {
  const note = readNote(job.repo, job.stage.name);
  if (samePointer(job.entry?.metrics.get(path), pointer) || note?.left?.get(path) === pointer.digest) return;
  await storeBytes(job.repo, [content]);
  // Without an entry nothing says whose the file was; git shows what becomes of it.
  if (job.entry !== undefined) warnSaved(job, path, pointer.digest, 'edited');
}

async function storeBytes(repo: Repo, contents: readonly Buffer[]): Promise<void> {
  const writer = new CacheWriter(repo);
  try {
    for (const content of contents) writer.put(content);
    await writer.commit();
  } finally {
    writer.discard();
  }
}

/** Puts metrics files back that a failed run did not write. */
export function putBack(repo: Repo, aside: readonly SetAside[]): void {
  for (const { path, content } of aside) {
    if (lstatSync(absolutePath(repo, path), { throwIfNoEntry: false }) === undefined)
      writeFileSync(absolutePath(repo, path), content);
  }
}

/** Removes what the last run, or a failed attempt, left. */
export function clearAttempt(repo: Repo, stage: Stage): void {
  if (stage.persist) return;
  for (const { path } of [...stage.outs, ...stage.metrics]) removeOut(repo, path);
}

/** Whether the cache can give all of the outputs that the workspace does not have already. */
function isInCache(job: OutputJob, outputs: Outputs): boolean {
  const { repo, found } = job;
  const read = (digest: Digest) => readObject(repo, digest);
  try {
    for (const [path, pointer] of outputs.outs) {
      if (samePointer(found.get(path), pointer)) continue;
      if (pointer.kind === 'file' && !hasObject(repo, pointer.digest)) return false;
      if (pointer.kind === 'tree') {
        const entries = readTree(pointer.digest, read);
        if (
          missingObjects(
            repo,
            entries.map((entry) => entry.digest),
          ).length > 0
        )
          return false;
      }
    }
    for (const [path, pointer] of outputs.metrics) {
      if (!samePointer(found.get(path), pointer)) read(pointer.digest);
    }
    return true;
  } catch (error) {
    if (!(error instanceof DvError)) throw error;
    if (error.code === 'object-missing' || error.code === 'object-damaged' || error.code === 'invalid-file')
      return false;
    throw error;
  }
}

/**
 * Makes the workspace hold these outputs, from the cache. What was there and is not in the cache is saved first.
 * @returns false when the cache does not hold them all; then nothing was changed, or what was is still a mixture
 *   and the stage must run.
 * @throws {DvError} unsafe-link, some-failed, disk-full, not-writable
 */
export async function restoreOutputs(job: OutputJob, outputs: Outputs): Promise<boolean> {
  const { repo, found } = job;
  if (!isInCache(job, outputs)) return false;
  const wanted = [...outputs.outs].filter(([path, pointer]) => !samePointer(found.get(path), pointer));
  const inTheWay: RepoPath[] = [];
  for (const [path, pointer] of wanted) {
    const now = found.get(path);
    refuseLinksAbove(repo, path);
    if (now === undefined) continue;
    const origin = await originOf(job, path, now);
    // After this the stat index describes what is there, so that materialise leaves nothing of it over.
    if (origin !== 'leftover') warnSaved(job, path, await save(job, path), origin);
    if (origin === 'leftover' || now.kind !== pointer.kind) inTheWay.push(path);
  }
  // From here on what is in the outs may be half of something.
  noteRunning(repo, job.stage.name);
  for (const path of inTheWay) {
    removeOut(repo, path);
    removeStatIndex(repo, path);
  }
  const targets = wanted.map(([path, pointer]) => ({ path, pointer }));
  const done = await materialise(repo, targets, { complete: true, force: true, ...callOptions(job) });
  if (done.missing.length + done.failures.length + done.kept.length > 0) return false;
  for (const [path, pointer] of wanted) {
    if (pointer.kind === 'tree') mkdirSync(absolutePath(repo, path), { recursive: true });
  }
  for (const [path, pointer] of outputs.metrics) {
    if (samePointer(found.get(path), pointer)) continue;
    const now = lookAtMetrics(repo, path);
    if (now?.content !== undefined) await saveMetrics(job, path, now.content, now.pointer);
    makeParent(repo, path);
    const content = readObject(repo, pointer.digest);
    writeMarked(repo, [path], () => writeFileAtomic(absolutePath(repo, path), content));
  }
  return true;
}

/**
 * Takes what a stage has written into the cache.
 * Guarantee: when this returns, every object of the result is in the cache, durable.
 * @throws {DvError} stage-output when something is missing, unreadable or too large; disk-full, not-writable
 */
export async function recordOutputs(job: OutputJob): Promise<Outputs> {
  const { repo, stage } = job;
  const fail = (problem: string): never => {
    throw new DvError('stage-output', { stage: stage.name, problem });
  };
  const contents = new Map<RepoPath, { pointer: Pointer; content: Buffer }>();
  for (const { path } of stage.metrics) {
    const now = lookAtMetrics(repo, path);
    if (now === undefined) return fail(`it ended well but did not write ${path}`);
    const { pointer, content } = now;
    if (content === undefined) {
      return fail(
        `${path} is no metrics file: it must be a file of at most ${largestMetricsBytes / 1e6} MB; larger results belong into outs`,
      );
    }
    contents.set(path, { pointer, content });
  }
  const outs = new Map<RepoPath, Pointer>();
  for (const { path } of stage.outs) outs.set(path, await recordOut(job, path, fail));
  await storeBytes(
    repo,
    [...contents.values()].map(({ content }) => content),
  );
  return { outs, metrics: new Map([...contents].map(([path, { pointer }]) => [path, pointer])) };
}

async function recordOut(job: OutputJob, path: RepoPath, fail: (problem: string) => never): Promise<Pointer> {
  try {
    const { pointer, failures } = await capture(job.repo, path, { store: true, ...callOptions(job) });
    const [first] = failures;
    if (first !== undefined) return fail(`${first.path} cannot be kept: ${first.reason}`);
    return pointer;
  } catch (error) {
    if (error instanceof DvError && error.code === 'path-missing')
      return fail(`it ended well but did not write ${path}`);
    if (error instanceof DvError && error.code === 'path-invalid') return fail(error.message);
    throw error;
  }
}

/** Digests of what a failed run left in the workspace, so that it can be told from edits made later. */
export async function listLeftovers(repo: Repo, stage: Stage): Promise<Map<string, Digest>> {
  const left = new Map<string, Digest>();
  for (const { path } of stage.outs) {
    try {
      left.set(path, (await capture(repo, path, { store: false })).pointer.digest);
    } catch (error) {
      // Nothing there, or nothing readable: then what is found later counts as somebody's.
      if (!(error instanceof DvError) && systemCode(error) === undefined) throw error;
    }
  }
  for (const { path } of stage.metrics) {
    const now = lookAtMetrics(repo, path);
    if (now !== undefined) left.set(path, now.pointer.digest);
  }
  return left;
}
