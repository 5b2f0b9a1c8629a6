/**
 * `textconv <file>` (gitattributes(5), "Performing text diffs of binary files"): a pointer as the list of its files,
 * so that the difference git makes of two such texts names the files that changed. git asks for one side at a time.
 */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { isDvError } from '../core/errors.ts';
import { digestOf, shortDigest } from '../core/model/digest.ts';
import { looksLikePointer, type Pointer, parsePointer } from '../core/model/pointer.ts';
import { readTree, type TreeEntry } from '../core/model/tree.ts';
import { readObject } from '../core/store/cache.ts';
import type { Repo } from '../core/store/repo.ts';

/** How sizes and names are put into words. */
export interface Wording {
  /** `2,880 files, 31.4 MB` */
  describe(pointer: Pointer): string;
  size(bytes: number): string;
  /** A name from a repository, safe for a terminal, on one line. */
  name(text: string): string;
}

/** Above this many files one line per folder is given: git would hold hundreds of megabytes of names. */
const mostFileLines = 100_000;

/**
 * The text git shows for a file whose name ends in `.dv`.
 * @param repo undefined where there is none to be found, as in a bare repository.
 * @param mostLines how many files are listed one by one, at most.
 */
export function textOf(
  repo: Pick<Repo, 'objectsDir'> | undefined,
  file: string,
  words: Wording,
  mostLines = mostFileLines,
): string {
  const { size } = statSync(file);
  if (size > 65_536) return foreign(file, size);
  const bytes = readFileSync(file);
  if (bytes.includes(0)) return foreign(file, size);
  const text = bytes.toString('utf8');
  if (!looksLikePointer(text)) return text;
  let pointer: Pointer;
  try {
    pointer = parsePointer(text, basename(file));
  } catch (error) {
    if (!isDvError(error)) throw error;
    return text;
  }
  if (pointer.kind === 'file') return `file: ${words.describe(pointer)}  ${shortDigest(pointer.digest)}\n`;
  const entries = repo === undefined ? undefined : readListing(repo, pointer);
  if (entries === undefined) {
    return `${text}# its list of files is not in this machine's cache: dv fetch\n`;
  }
  const head = `tree: ${words.describe(pointer)}\n`;
  return entries.length > mostLines ? head + folderLines(entries, words) : head + fileLines(entries, words);
}

function foreign(file: string, size: number): string {
  return `${basename(file)}: ${size} bytes, not a pointer of dv\n`;
}

function readListing(repo: Pick<Repo, 'objectsDir'>, pointer: Pointer): TreeEntry[] | undefined {
  try {
    return readTree(pointer.digest, (digest) => readObject(repo, digest));
  } catch (error) {
    // Missing, damaged, or of a newer dv: a difference is no place to fail.
    if (isDvError(error)) return undefined;
    throw error;
  }
}

const modeNotes = { '-': '', x: '  executable', l: '  link' };

function fileLines(entries: readonly TreeEntry[], words: Wording): string {
  let text = '';
  for (const { path, sizeBytes, digest, mode } of entries) {
    text += `${words.name(path)}  ${words.size(sizeBytes)}  ${shortDigest(digest)}${modeNotes[mode]}\n`;
  }
  return text;
}

/** One line per folder: how many files lie in it itself, and a digest of their names and contents. */
function folderLines(entries: readonly TreeEntry[], words: Wording): string {
  const folders = new Map<string, { files: number; bytes: number; text: string }>();
  for (const { path, sizeBytes, digest, mode } of entries) {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const found = folders.get(folder) ?? { files: 0, bytes: 0, text: '' };
    found.files++;
    found.bytes += sizeBytes;
    found.text += `${digest} ${mode} ${path}\0`;
    folders.set(folder, found);
  }
  let text = '# one line per folder, as there are so many files: dv diff names them\n';
  for (const [folder, { files, bytes, text: listing }] of folders) {
    text += `${words.name(folder || './')}  ${files} files  ${words.size(bytes)}  ${shortDigest(digestOf(listing))}\n`;
  }
  return text;
}
