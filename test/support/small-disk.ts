/** A file system that is soon full, where the tests may mount one. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { type TemporaryFolder, temporaryFolder } from './git-folder.ts';

/** Mounts a file system of so many KiB in a temporary folder; undefined where that is not allowed. */
export function smallDisk(sizeKiB: number): TemporaryFolder | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const folder = temporaryFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKiB}k`, 'dv-test', folder.path]);
  if (mounted.status !== 0) {
    folder[Symbol.dispose]();
    return undefined;
  }
  return {
    ...folder,
    [Symbol.dispose]() {
      spawnSync('umount', ['-l', folder.path]);
      rmSync(folder.path, { recursive: true, force: true });
    },
  };
}

/** Whether `smallDisk` can give one here. */
export function canMountSmallDisk(): boolean {
  const disk = smallDisk(64);
  disk?.[Symbol.dispose]();
  return disk !== undefined;
}

/** Makes a small disk read-only or writable again. */
export function remount(disk: TemporaryFolder, how: 'ro' | 'rw'): void {
  const done = spawnSync('mount', ['-o', `remount,${how}`, disk.path]);
  if (done.status !== 0) throw new Error(done.stderr.toString());
}
