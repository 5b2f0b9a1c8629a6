/** A cache that several users write to: what `core.sharedRepository` asks for, whatever each one's umask is. */
import { chmodSync, statSync } from 'node:fs';
import { systemCode } from '../errors.ts';

/**
 * Gives a file or folder of the cache the permissions that others need.
 * Source: git, path.c, adjust_shared_perm: what the owner may not write, nobody may; folders hand on their group.
 * @param permissions as `Config.sharedPermissions`.
 */
export function sharePath(path: string, permissions: number): void {
  try {
    const { mode } = statSync(path);
    const isFolder = (mode & 0o170_000) === 0o040_000;
    let extra = permissions;
    if ((mode & 0o200) === 0) extra &= ~0o222;
    if (isFolder) extra |= ((extra & 0o444) >> 2) | 0o2000;
    const wanted = (mode & 0o7777) | extra;
    if (wanted !== (mode & 0o7777)) chmodSync(path, wanted);
  } catch (error) {
    const code = systemCode(error);
    // Another user's, who has seen to it; or it went away.
    if (code !== 'EPERM' && code !== 'ENOENT') throw error;
  }
}
