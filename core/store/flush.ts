/** Getting many written files onto stable storage at once. */
import { execFile } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { flushFolder, writeBeside } from './atomic.ts';
import { inParallel } from './in-parallel.ts';

/** Up to this many files are flushed one by one: cheaper than flushing everything the file system holds. */
const fewFiles = 16;

/** Flushes on their way at once: the disk orders them better than we do. */
const atOnce = 4;

const runSync = (args: string[]) =>
  new Promise<boolean>((resolve) => execFile('sync', args, (error) => resolve(error === null)));

/** One flush of a whole file system; false where there is no program for it, or it failed. */
const flushFileSystem = async (folder: string) =>
  process.platform === 'linux' && (await runSync(['-f', folder]));

/**
 * Makes the bytes of files durable: one flush of their file system (`sync -f`, GNU coreutils ≥ 8.24) when
 * they are many, an fsync each when they are few or there is no such program.
 * @param folder a folder on the file system that holds them all.
 */
export async function flushFiles(folder: string, absolutePaths: readonly string[]): Promise<void> {
  if (absolutePaths.length > fewFiles && (await flushFileSystem(folder))) return;
  // After a failure too: a file's own flush tells its error again.
  await inParallel(absolutePaths, atOnce, async (path) => {
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/** Makes what was renamed into these folders durable, in the same ways. */
export async function flushFolders(folder: string, absolutePaths: readonly string[]): Promise<void> {
  if (absolutePaths.length > fewFiles && (await flushFileSystem(folder))) return;
  for (const path of absolutePaths) flushFolder(path);
}

/**
 * Replaces the content of files, all with one flush.
 * Guarantee: if the process dies, each file holds either its old or its new content, and `.*.dvtmp` files may be left
 * beside them.
 * @param folder a folder on the file system that holds them all.
 */
export async function writeFilesAtomic(
  folder: string,
  files: readonly { absolute: string; content: string }[],
): Promise<void> {
  const waiting: [temporary: string, absolute: string][] = [];
  try {
    for (const { absolute, content } of files)
      waiting.push([writeBeside(absolute, content, false), absolute]);
    await flushFiles(
      folder,
      waiting.map(([temporary]) => temporary),
    );
    for (const [temporary, absolute] of waiting) renameSync(temporary, absolute);
  } finally {
    for (const [temporary] of waiting) rmSync(temporary, { force: true });
  }
  await flushFolders(folder, [...new Set(files.map(({ absolute }) => dirname(absolute)))]);
}
