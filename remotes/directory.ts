/**
 * A remote in a folder: a disk, a network share, a mounted bucket. Files are written under a temporary name
 * in `.tmp`, flushed, and then get their name in one step, so that nobody ever sees half a file.
 */
import type { FileHandle } from 'node:fs/promises';
import { link, mkdir, open, opendir, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DvError, systemCode } from '../core/errors.ts';
import { temporaryName } from '../core/store/atomic.ts';
import { checkKey, type RangeCall, type Remote, type RemoteEntry } from '../core/store/remote.ts';

/** Half-written files older than this belong to nobody any more. */
const staleMs = 24 * 60 * 60 * 1000;

const absent = (error: unknown) => systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR';

/** A file system's error in a remote's words. */
function explain(error: unknown, url: string, operation: 'read' | 'write'): unknown {
  const code = systemCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new DvError('remote-refused', { remote: url, operation, reason }, { cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
      return new DvError('remote-full', { remote: url }, { cause: error });
    case 'EIO':
    case 'ESTALE':
    case 'ENOTCONN':
    case 'EHOSTDOWN':
    case 'ETIMEDOUT':
    case 'ENOTDIR':
    case 'ENOENT':
      return new DvError('remote-unreachable', { remote: url, reason }, { cause: error });
    default:
      return error;
  }
}

async function flushFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch {
    // Windows and some network file systems refuse to flush a folder; the rename itself is still atomic.
  } finally {
    await handle?.close();
  }
}

/** Opens a remote in a folder. Nothing is read or made before the first call. @param root absolute. */
export function openDirectoryRemote(root: string, url = root): Remote {
  const temporaryFolder = join(root, '.tmp');
  const made = new Set<string>();

  const pathOf = (key: string) => {
    checkKey(key);
    return join(root, ...key.split('/'));
  };

  const attempt = async <Result>(
    operation: 'read' | 'write',
    work: () => Promise<Result>,
  ): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw explain(error, url, operation);
    }
  };

  /** Makes the remote's own folder, but not the one it is in: that may be a disk that is not mounted. */
  let prepared: Promise<void> | undefined;
  const prepare = () => {
    prepared ??= (async () => {
      await mkdir(root).catch((error: unknown) => {
        if (systemCode(error) !== 'EEXIST') throw error;
      });
      await mkdir(temporaryFolder, { recursive: true });
      for (const name of await readdir(temporaryFolder)) {
        const info = await stat(join(temporaryFolder, name)).catch(() => undefined);
        if (info !== undefined && Date.now() - info.mtimeMs > staleMs)
          await rm(join(temporaryFolder, name), { force: true });
      }
    })();
    prepared.catch(() => {
      prepared = undefined;
    });
    return prepared;
  };

  /** Writes a temporary file, hands it over to be named, and leaves nothing behind when that fails. */
  const writeThen = async <Result>(
    path: string,
    fill: (file: FileHandle) => Promise<void>,
    settle: (temporary: string) => Promise<Result>,
  ): Promise<Result> => {
    await prepare();
    const folder = dirname(path);
    if (!made.has(folder)) {
      await mkdir(folder, { recursive: true });
      made.add(folder);
    }
    const temporary = join(temporaryFolder, temporaryName());
    const file = await open(temporary, 'wx', 0o666);
    try {
      try {
        await fill(file);
        await file.sync();
      } finally {
        await file.close();
      }
      const result = await settle(temporary);
      await flushFolder(folder);
      return result;
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  };

  const entryOf = async (key: string, path: string): Promise<RemoteEntry | undefined> => {
    try {
      const info = await stat(path, { bigint: true });
      if (!info.isFile()) return undefined;
      return { key, sizeBytes: Number(info.size), version: `${info.mtimeNs}-${info.ino}-${info.size}` };
    } catch (error) {
      if (absent(error)) return undefined;
      throw error;
    }
  };

  const readAt = async (
    key: string,
    offset: number,
    lengthBytes: number | undefined,
    { signal, into }: RangeCall = {},
  ) => {
    signal?.throwIfAborted();
    const path = pathOf(key);
    return attempt('read', async () => {
      let file: FileHandle;
      try {
        file = await open(path, 'r');
      } catch (error) {
        if (absent(error)) return undefined;
        throw error;
      }
      try {
        const length = lengthBytes ?? (await file.stat()).size - offset;
        const bytes = into ?? new Uint8Array(length);
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        if (filled === bytes.length) return bytes;
        return into === undefined ? bytes.slice(0, filled) : into.subarray(0, filled);
      } finally {
        await file.close();
      }
    });
  };

  return {
    url,

    get: (key, call) => readAt(key, 0, undefined, call),

    getRange: (key, offset, lengthBytes, call) => readAt(key, offset, lengthBytes, call),

    async head(key, call) {
      call?.signal?.throwIfAborted();
      const path = pathOf(key);
      return attempt('read', () => entryOf(key, path));
    },

    async put(key, bytes, call) {
      call?.signal?.throwIfAborted();
      const path = pathOf(key);
      await attempt('write', () =>
        writeThen(
          path,
          (file) => file.writeFile(bytes),
          (temporary) => rename(temporary, path),
        ),
      );
    },

    async putIfAbsent(key, bytes, call) {
      call?.signal?.throwIfAborted();
      const path = pathOf(key);
      return attempt('write', async () => {
        if ((await entryOf(key, path)) !== undefined) return false;
        return writeThen(
          path,
          (file) => file.writeFile(bytes),
          (temporary) => nameIfAbsent(temporary, path),
        );
      });
    },

    async putStream(key, source, call) {
      const path = pathOf(key);
      let fromSource: { error: unknown } | undefined;
      const fill = async (file: FileHandle) => {
        const pieces = source.read()[Symbol.asyncIterator]();
        for (;;) {
          call?.signal?.throwIfAborted();
          let next: IteratorResult<Uint8Array>;
          try {
            next = await pieces.next();
          } catch (error) {
            fromSource = { error };
            throw error;
          }
          if (next.done) return;
          await file.writeFile(next.value);
        }
      };
      try {
        await writeThen(path, fill, (temporary) => rename(temporary, path));
      } catch (error) {
        throw fromSource !== undefined ? fromSource.error : explain(error, url, 'write');
      }
    },

    async *list(prefix, call) {
      // Only folders that can hold such keys are entered.
      const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      const folders = [start];
      for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
        let entries: Awaited<ReturnType<typeof opendir>>;
        try {
          entries = await opendir(join(root, folder));
        } catch (error) {
          if (absent(error)) continue;
          throw explain(error, url, 'read');
        }
        for await (const item of entries) {
          call?.signal?.throwIfAborted();
          if (item.name.startsWith('.')) continue;
          const key = folder + item.name;
          if (item.isDirectory()) {
            if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`)) folders.push(`${key}/`);
          } else if (key.startsWith(prefix)) {
            const entry = await attempt('read', () => entryOf(key, join(root, key)));
            if (entry !== undefined) yield entry;
          }
        }
      }
    },

    async delete(key, options) {
      options?.signal?.throwIfAborted();
      const path = pathOf(key);
      return attempt('write', async () => {
        if (options?.version !== undefined && (await entryOf(key, path))?.version !== options.version)
          return false;
        try {
          await unlink(path);
          return true;
        } catch (error) {
          if (absent(error)) return false;
          throw error;
        }
      });
    },

    async close() {},
  };
}

/**
 * Gives a complete file its name unless the name is taken. A hard link does that in one step; where the file
 * system has none (exFAT, some shares), the rename may replace a file that appeared in the last instant, by
 * one that is whole too.
 */
async function nameIfAbsent(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') {
      await rm(temporary, { force: true });
      return false;
    }
    if (
      code !== 'EPERM' &&
      code !== 'ENOTSUP' &&
      code !== 'EOPNOTSUPP' &&
      code !== 'ENOSYS' &&
      code !== 'EMLINK'
    )
      throw error;
    await rename(temporary, path);
    return true;
  }
  await rm(temporary, { force: true });
  return true;
}
