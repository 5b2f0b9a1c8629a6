/**
 * What this repository remembers of a remote, so as not to ask twice: in `<dv folder>/remotes/<hash of its URL>/`.
 * Nothing here is needed; all of it can be deleted.
 *
 *   id            the remote's own id; when it changes, everything else is forgotten
 *   idx/<name>    idx files: their name says their content, so they never go stale
 *   sent/<name>   one idx per pack (or blob) that was sent but is in no published idx yet: a push that was cut
 *                 goes on from here
 *   runs          fingerprints of run cache entries that are on both sides, one per line
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { digestOf, hexOf } from '../model/digest.ts';
import { type Idx, parseIdx } from '../model/idx.ts';
import { writeFileAtomic } from './atomic.ts';
import { listFolder } from './list-folder.ts';
import { isIdxNamed } from './remote-layout.ts';

/** The folder of one remote's memory. */
export class RemoteState {
  readonly #folder: string;

  /** @param dvDir dv's folder in the git directory. @param url the remote's. */
  constructor(dvDir: string, url: string) {
    this.#folder = join(dvDir, 'remotes', hexOf(digestOf(url)).slice(0, 16));
  }

  /** Says which remote answers at the URL; what is remembered of another one is dropped. */
  bindTo(id: string): void {
    if (readText(join(this.#folder, 'id'))?.trim() === id) return;
    rmSync(this.#folder, { recursive: true, force: true });
    this.#write('id', `${id}\n`);
  }

  #write(name: string, content: string | Uint8Array): void {
    writeFileAtomic(join(this.#folder, name), content, { durable: false });
  }

  /** A remembered idx, or undefined. A damaged one is forgotten. */
  readIdx(name: string): Idx | undefined {
    const path = join(this.#folder, 'idx', name);
    const bytes = readBytes(path);
    if (bytes === undefined) return undefined;
    if (isIdxNamed(bytes, name)) return parseIdx(bytes, `idx ${name}`);
    rmSync(path, { force: true });
    return undefined;
  }

  /** Remembers an idx. */
  saveIdx(name: string, bytes: Uint8Array): void {
    this.#write(join('idx', name), bytes);
  }

  /** Forgets the idx files that are not among these. */
  keepIdx(names: ReadonlySet<string>): void {
    for (const name of listNames(join(this.#folder, 'idx'))) {
      if (!names.has(name)) rmSync(join(this.#folder, 'idx', name), { force: true });
    }
  }

  /** Notes that a pack or blob has arrived. @param bytes an idx of it alone. */
  noteSent(name: string, bytes: Uint8Array): void {
    this.#write(join('sent', name), bytes);
  }

  /** What was noted as sent; what cannot be read is dropped. */
  listSent(): { name: string; idx: Idx }[] {
    return listNames(join(this.#folder, 'sent')).flatMap((name) => {
      const bytes = readBytes(join(this.#folder, 'sent', name));
      try {
        return bytes === undefined ? [] : [{ name, idx: parseIdx(bytes, `sent ${name}`) }];
      } catch {
        this.forgetSent([name]);
        return [];
      }
    });
  }

  /** Forgets notes: what they say is published, or is not true any more. */
  forgetSent(names: Iterable<string>): void {
    for (const name of names) rmSync(join(this.#folder, 'sent', name), { force: true });
  }

  /** Fingerprints of run cache entries known to be on the remote. */
  knownRuns(): Set<string> {
    return new Set((readText(join(this.#folder, 'runs')) ?? '').split('\n').filter((line) => line !== ''));
  }

  /** Remembers more of them. */
  addRuns(fingerprints: Iterable<string>): void {
    const all = this.knownRuns();
    const before = all.size;
    for (const fingerprint of fingerprints) all.add(fingerprint);
    if (all.size > before) this.#write('runs', [...all].map((line) => `${line}\n`).join(''));
  }
}

function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

const readText = (path: string) => readBytes(path)?.toString();

const listNames = (folder: string) => listFolder(folder).filter((name) => /^[0-9a-f]{64}$/.test(name));
