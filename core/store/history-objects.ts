/** git's commit and tree objects, from bytes to values. Format: git's Documentation/gitformat-*.txt and `git cat-file`. */
import { joinPaths } from '../model/repo-path.ts';

/** One object of git, as stored. */
export interface GitObject {
  /** Full id: 40 hex digits, or 64 in a sha256 repository. */
  readonly id: string;
  readonly type: 'commit' | 'tree' | 'blob' | 'tag';
  readonly bytes: Buffer;
}

/** One commit. */
export interface Commit {
  /** Full id. */
  readonly id: string;
  /** Full ids; empty for a first commit and where a shallow clone ends. */
  readonly parents: readonly string[];
  /** Full id of the top folder's tree. */
  readonly tree: string;
  /** Name of the author, as written. */
  readonly author: string;
  /** When the commit was made (the committer's date), ISO 8601, UTC. */
  readonly date: string;
  /** First line of the message, as written. */
  readonly subject: string;
}

/** One entry of a folder. */
export interface TreeEntry {
  /** `100644`, `100755`, `120000` (link), `40000` (folder) or `160000` (submodule). */
  readonly mode: string;
  readonly name: string;
  readonly id: string;
}

/** Octal mode of a folder. */
export const folderMode = '40000';

/** Whether an entry is a regular file, executable or not. */
export function isRegularFile(mode: string): boolean {
  return mode.startsWith('100');
}

/** Decodes text in the encoding the commit names; an unknown one is read as UTF-8. */
function decode(bytes: Uint8Array, encoding: string | undefined): string {
  if (encoding !== undefined) {
    try {
      return new TextDecoder(encoding).decode(bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return new TextDecoder().decode(bytes);
}

/** Reads a commit. A broken date becomes the epoch. */
export function parseCommit({ id, bytes }: GitObject): Commit {
  const end = bytes.indexOf('\n\n');
  const head = end === -1 ? bytes : bytes.subarray(0, end);
  // Lines that begin with a space go on from the line before (signatures); nothing below reads those.
  const encoding = /^encoding (.+)$/m.exec(head.toString('latin1'))?.[1];
  const lines = decode(head, encoding).split('\n');
  const all = (name: string) =>
    lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  const person = (name: string) => /^(.*?) ?<[^>]*>(?: (-?\d+))?/.exec(all(name)[0] ?? '');
  const seconds = Number(person('committer')?.[2] ?? 0);
  const date = new Date(seconds * 1000);
  const message = end === -1 ? '' : decode(bytes.subarray(end + 2), encoding);
  return {
    id,
    parents: all('parent'),
    tree: all('tree')[0] ?? '',
    author: person('author')?.[1] ?? '',
    date: (Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString(),
    subject: message.replace(/^\n+/, '').split('\n', 1)[0] ?? '',
  };
}

/** The id an annotated tag points at. */
export function parseTagTarget(bytes: Buffer): string | undefined {
  return /^object ([0-9a-f]+)\n/.exec(bytes.toString('latin1', 0, 80))?.[1];
}

/** Reads a folder. Names that are not UTF-8 come with replacement characters: no path dv reads has any. */
export function parseTree({ id, bytes }: GitObject): TreeEntry[] {
  const idBytes = id.length / 2;
  const entries: TreeEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const zero = bytes.indexOf(0, space);
    if (space === -1 || zero === -1) break;
    const mode = bytes.toString('latin1', at, space);
    const name = bytes.toString('utf8', space + 1, zero);
    at = zero + 1 + idBytes;
    entries.push({ mode, name, id: bytes.toString('hex', zero + 1, at) });
  }
  return entries;
}

/** The path of an entry in a folder, `''` being the top. */
export function entryPath(folder: string, entry: TreeEntry): string {
  return joinPaths(folder, entry.name);
}
