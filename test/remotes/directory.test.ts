import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDirectoryRemote } from '../../remotes/directory.ts';
import { remoteContract } from './contract.ts';

function temporary() {
  const folder = mkdtempSync(join(tmpdir(), 'dv-directory-'));
  return { folder, close: async () => rmSync(folder, { recursive: true, force: true }) };
}

remoteContract('directory', () => {
  const { folder, close } = temporary();
  return { open: () => openDirectoryRemote(join(folder, 'remote')), close };
});

describe('directory remote', () => {
  test('makes its own folder, but not the one it is in: that may be a disk that is not mounted', async () => {
    const { folder, close } = temporary();
    const unmounted = openDirectoryRemote(join(folder, 'disk', 'remote'));
    await expect(unmounted.put('a', new Uint8Array(1))).rejects.toMatchObject({ code: 'remote-unreachable' });
    mkdirSync(join(folder, 'disk'));
    await unmounted.put('a', new Uint8Array(1));
    expect((await unmounted.get('a'))?.length).toBe(1);
    await close();
  });

  test('leaves nothing behind but what was put, and removes what a dead process left a day ago', async () => {
    const { folder, close } = temporary();
    mkdirSync(join(folder, '.tmp'));
    writeFileSync(join(folder, '.tmp', 'old'), 'x');
    utimesSync(join(folder, '.tmp', 'old'), 1, 1);
    writeFileSync(join(folder, '.tmp', 'young'), 'x');
    const remote = openDirectoryRemote(folder);
    await remote.put('a/b', new Uint8Array(3));
    await remote.putIfAbsent('a/b', new Uint8Array(4));
    await remote.putIfAbsent('a/c', new Uint8Array(4));
    const failing = {
      sizeBytes: 2,
      async *read() {
        yield new Uint8Array(1);
        throw new Error('broken');
      },
    };
    await expect(remote.putStream('a/d', failing)).rejects.toThrow('broken');
    expect(readdirSync(join(folder, '.tmp'))).toEqual(['young']);
    expect(readdirSync(join(folder, 'a'))).toEqual(['b', 'c']);
    await close();
  });

  test('says that a folder it may not write refused', async () => {
    // A file where a folder is needed is what a missing permission looks like to every user, root included.
    const { folder, close } = temporary();
    writeFileSync(join(folder, 'a'), 'a file');
    const remote = openDirectoryRemote(folder);
    await expect(remote.put('a/b', new Uint8Array(1))).rejects.toThrow(folder);
    expect(await remote.get('a/b')).toBeUndefined();
    await close();
  });
});
