import { mkdirSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chooseLinkMode } from '../../../core/store/link.ts';
import { openRepo } from '../../../core/store/repo.ts';
import { gitFolder } from '../../support/git-folder.ts';
import { canMountSmallDisk, remount, smallDisk } from '../../support/small-disk.ts';

test('the first wanted mode that works is taken, and nothing is left of the trial', () => {
  using folder = gitFolder();
  const mode = (wanted: string) =>
    chooseLinkMode(openRepo({ cwd: folder.path, env: { ...folder.env, DV_CACHE_LINK: wanted } }));
  expect(mode('copy')).toBe('copy');
  expect(mode('hardlink,copy')).toBe('hardlink');
  expect(mode('symlink')).toBe('symlink');
  expect(['reflink', 'copy']).toContain(mode('reflink,copy'));
  expect(readdirSync(folder.path)).toEqual(['.git']);
  expect(readdirSync(folder.at('.git/dv/tmp'))).toEqual([]);
});

test.skipIf(!canMountSmallDisk())('a cache elsewhere, or one that can only be read, is copied from', () => {
  using folder = gitFolder();
  using disk = smallDisk(256)!;
  const mode = () =>
    chooseLinkMode(
      openRepo({
        cwd: folder.path,
        env: { ...folder.env, DV_CACHE_DIR: disk.path, DV_CACHE_LINK: 'hardlink,copy' },
      }),
    );
  expect(mode()).toBe('copy');
  for (const prepare of [() => {}, () => mkdirSync(disk.at('tmp'), { recursive: true })]) {
    prepare();
    remount(disk, 'ro');
    expect(mode()).toBe('copy');
    remount(disk, 'rw');
  }
});
