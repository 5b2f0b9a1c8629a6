/**
 * A snapshot: everything one commit (or the workspace) points at, as a sorted listing. Its digest is its name
 * on a remote, so that "is all of this there?" is one question.
 *
 *   dv-snapshot 1
 *   tree <64 hex> <files> <bytes> <path>
 *   file <64 hex> <bytes> <path>
 *
 * Lines are sorted by the bytes of the path, then of the line; no line twice. Paths are escaped as in trees.
 */
import { DvError } from '../errors.ts';
import { type Digest, digestFromHex, digestOf, hexOf } from './digest.ts';
import type { Pointer } from './pointer.ts';
import { comparePaths, pathProblem, type RepoPath } from './repo-path.ts';
import { decodePath, encodePath } from './tree-lines.ts';

/** A path of the repository and the data it stands for. */
export interface DataRef {
  readonly path: RepoPath;
  readonly pointer: Pointer;
}

/** A listing with its encoding and name. */
export interface Snapshot {
  readonly refs: readonly DataRef[];
  readonly text: string;
  readonly digest: Digest;
}

const header = 'dv-snapshot 1\n';

function formatRef({ path, pointer }: DataRef): string {
  const files = pointer.kind === 'tree' ? `${pointer.files} ` : '';
  return `${pointer.kind} ${hexOf(pointer.digest)} ${files}${pointer.bytes} ${encodePath(path)}\n`;
}

/** Makes a snapshot of paths in any order. */
export function makeSnapshot(refs: readonly DataRef[]): Snapshot {
  const rows = refs.map((ref) => ({ ref, line: formatRef(ref) }));
  rows.sort(
    (a, b) => comparePaths(a.ref.path, b.ref.path) || (a.line < b.line ? -1 : a.line > b.line ? 1 : 0),
  );
  const unique = rows.filter((row, i) => row.line !== rows[i - 1]?.line);
  const text = header + unique.map((row) => row.line).join('');
  return { refs: unique.map((row) => row.ref), text, digest: digestOf(text) };
}

/** Reads a listing. @param name how to name it in errors. @throws {DvError} invalid-file, newer-format */
export function parseSnapshot(text: string, name: string): Snapshot {
  let line = 1;
  const fail = (message: string): never => {
    throw new DvError('invalid-file', { problems: [{ file: name, line, message }] });
  };
  if (!text.startsWith(header)) {
    const version = /^dv-snapshot ([1-9][0-9]*)\n/.exec(text)?.[1];
    if (version !== undefined && version !== '1') throw new DvError('newer-format', { what: name, version });
    fail(`expected \`${header.trim()}\``);
  }
  if (!text.endsWith('\n')) fail('expected a newline at the end');
  const count = (digits: string): number => {
    const value = Number(digits);
    return Number.isSafeInteger(value) ? value : fail('a number is too large');
  };
  const refs: DataRef[] = [];
  let previous: { path: string; line: string } | undefined;
  for (const row of text.slice(header.length, -1).split('\n')) {
    if (row === '' && text.length === header.length) break;
    line++;
    const match =
      /^(?:tree ([0-9a-f]{64}) (0|[1-9][0-9]*)|file ([0-9a-f]{64})) (0|[1-9][0-9]*) (.+)$/.exec(row) ??
      fail('expected `tree <64 hex> <files> <bytes> <path>` or `file <64 hex> <bytes> <path>`');
    const path = decodePath(match[5]!) ?? fail('expected only %25, %0A and %0D as escapes in the path');
    const problem = pathProblem(path);
    if (problem !== undefined) fail(`the path ${JSON.stringify(path)} is not allowed: ${problem}`);
    if (previous !== undefined) {
      const order = comparePaths(previous.path, path);
      if (order > 0 || (order === 0 && previous.line >= row))
        fail(`the path ${JSON.stringify(path)} is out of order`);
    }
    previous = { path, line: row };
    const bytes = count(match[4]!);
    const pointer: Pointer =
      match[1] !== undefined
        ? { kind: 'tree', digest: digestFromHex(match[1])!, files: count(match[2]!), bytes }
        : { kind: 'file', digest: digestFromHex(match[3]!)!, bytes };
    refs.push({ path: path as RepoPath, pointer });
  }
  return { refs, text, digest: digestOf(text) };
}
