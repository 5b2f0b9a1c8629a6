/**
 * `merge-pointer|merge-lock|merge-ignore <ours|base> %O %A %B %L %P` (gitattributes(5), "Defining a custom merge driver"): git
 * hands over three temporary files, takes the result from the second, and shows the path as conflicted unless the
 * status is 0. What cannot be merged as data is merged as text, by git itself.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { isDvError } from '../core/errors.ts';
import type { FileConflict } from '../core/model/merge-tree.ts';
import {
  formatPointer,
  looksLikePointer,
  type Pointer,
  parsePointer,
  trackedPathOf,
} from '../core/model/pointer.ts';
import type { GitResult } from '../core/store/git.ts';
import type { Repo } from '../core/store/repo.ts';

/** What git calls a merge driver with. */
export interface MergeCall {
  /** Which version conflicts get; `base` where git makes a base out of two. */
  readonly take: 'ours' | 'base';
  /** Absolute paths of the three temporary files. */
  readonly base: string;
  readonly ours: string;
  readonly theirs: string;
  /** Length of conflict markers. */
  readonly markerSize: string;
  /** The file that is merged, relative to the top. */
  readonly path: string;
}

/** How a merge ended. */
export type MergeEnd =
  | { readonly kind: 'data'; readonly path: string; readonly conflicts: readonly FileConflict[] }
  | { readonly kind: 'stages'; readonly stages: readonly string[] }
  /** `reason`: why it could not be merged as data, when it should have been. */
  | { readonly kind: 'text'; readonly clean: boolean; readonly path: string; readonly reason?: TextReason };

/** `listing-missing`: the cache lacks a listing of the tree. */
export type TextReason = 'listing-missing' | { readonly message: string };

/** The largest stages.lock that is read; it has a few lines per stage. */
const mostLockBytes = 64 * 1024 * 1024;

function readText(file: string, mostBytes: number): string | undefined {
  return statSync(file).size <= mostBytes ? readFileSync(file, 'utf8') : undefined;
}

/** Merges a pointer into the file of ours. @throws {DvError} disk-full, not-writable */
export async function mergePointerFiles(repo: Repo, call: MergeCall): Promise<MergeEnd> {
  const [base, ours, theirs] = [call.base, call.ours, call.theirs].map((file) => readText(file, 65_536));
  // Another program's file, which git would merge without us.
  if (!isPointer(ours) || !isPointer(theirs) || !(base === '' || isPointer(base))) return asText(repo, call);
  const path = trackedPathOf(call.path);
  try {
    const read = (text: string): Pointer => parsePointer(text, call.path);
    const { mergePointers } = await import('../core/ops/merge-pointers.ts');
    const merged = await mergePointers(
      repo,
      { base: base === '' ? undefined : read(base!), ours: read(ours!), theirs: read(theirs!) },
      { take: call.take, store: true },
    );
    if (merged.outcome === 'listing-missing') return asText(repo, call, 'listing-missing');
    writeFileSync(call.ours, formatPointer(merged.pointer));
    return { kind: 'data', path, conflicts: merged.conflicts };
  } catch (error) {
    if (!isDvError(error)) throw error;
    return asText(repo, call, { message: error.message });
  }
}

const isPointer = (text: string | undefined) => text !== undefined && looksLikePointer(text);

/** Merges stages.lock into the file of ours. */
export async function mergeLockFiles(repo: Repo, call: MergeCall): Promise<MergeEnd> {
  const texts = [call.base, call.ours, call.theirs].map((file) => readText(file, mostLockBytes));
  if (texts.includes(undefined)) return asText(repo, call);
  const [{ formatLock, parseLock }, { mergeLocks }] = await Promise.all([
    import('../core/pipeline/lock-file.ts'),
    import('../core/pipeline/merge-lock.ts'),
  ]);
  try {
    const [base, ours, theirs] = texts.map((text) => (text === '' ? new Map() : parseLock(text!, call.path)));
    const merged = mergeLocks({ base: base!, ours: ours!, theirs: theirs! }, call.take);
    writeFileSync(call.ours, formatLock(merged.lock));
    return { kind: 'stages', stages: merged.conflicts.map(({ stage }) => stage) };
  } catch (error) {
    if (!isDvError(error)) throw error;
    return asText(repo, call, { message: error.message });
  }
}

/**
 * Merges a .gitignore: where both sides only added lines at the same place, as two people do who track data in the same
 * folder, both stay. Any other conflict is git's.
 */
export function mergeIgnoreFiles(repo: Pick<Repo, 'git'>, call: MergeCall): MergeEnd {
  const merged = mergeFile(repo, call, ['--stdout', '--diff3']);
  const text = merged.status < 128 ? joinAdditions(merged.stdout, Number(call.markerSize)) : undefined;
  if (text === undefined) return asText(repo, call);
  writeFileSync(call.ours, text);
  return { kind: 'text', clean: true, path: call.path };
}

/**
 * The text of a merge with both sides of each conflict, ours first, lines of both once.
 * @param text with `--diff3` markers.
 * @returns undefined when a side changed or removed lines that were there.
 */
export function joinAdditions(text: string, markerSize: number): string | undefined {
  const [open, base, middle, close] = ['<', '|', '=', '>'].map((sign) => sign.repeat(markerSize));
  const lines: string[] = [];
  let ours: Set<string> | undefined;
  let part: 'none' | 'ours' | 'base' | 'theirs' = 'none';
  for (const line of text.split('\n')) {
    if (part === 'none' && line === `${open} ours`) {
      part = 'ours';
      ours = new Set();
    } else if (part === 'ours' && line === `${base} base`) part = 'base';
    else if (part === 'base' && line === middle) part = 'theirs';
    else if (part === 'theirs' && line === `${close} theirs`) part = 'none';
    else if (part === 'base') return undefined;
    else if (part !== 'theirs' || !ours!.has(line)) {
      lines.push(line);
      if (part === 'ours') ours!.add(line);
    }
  }
  return part === 'none' ? lines.join('\n') : undefined;
}

/** Merges as git does without a driver; conflict markers, or for bytes that are no text, ours alone. */
export function asText(repo: Pick<Repo, 'git'>, call: MergeCall, reason?: TextReason): MergeEnd {
  const { status } = mergeFile(repo, call, ['--quiet']);
  return {
    kind: 'text',
    clean: status === 0,
    path: trackedPathOf(call.path),
    ...(reason === undefined ? {} : { reason }),
  };
}

function mergeFile(repo: Pick<Repo, 'git'>, call: MergeCall, options: readonly string[]): GitResult {
  const labels = ['ours', 'base', 'theirs'].flatMap((label) => ['-L', label]);
  const size = `--marker-size=${call.markerSize}`;
  return repo.git.run(['merge-file', ...options, size, ...labels, call.ours, call.base, call.theirs]);
}
