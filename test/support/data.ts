/** Small data sets for tests, and shortcuts to the data operations on a test repository. */

import type { RepoPath } from '../../core/model/repo-path.ts';
import { add } from '../../core/ops/add.ts';
import { type CheckoutOptions, checkout } from '../../core/ops/checkout.ts';
import { status } from '../../core/ops/status.ts';
import type { TestRepo } from './repo.ts';

/** Files with contents that differ, spread over a few folders: path → content. */
export function someFiles(folder: string, count: number, salt = ''): Record<string, string> {
  const files: Record<string, string> = {};
  for (let i = 0; i < count; i++)
    files[`${folder}/class-${i % 3}/${String(i).padStart(5, '0')}.txt`] = `${salt}${i}\n`;
  return files;
}

/** Writes files. */
export function writeAll(repo: TestRepo, files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) repo.write(path, content);
}

/** `add` by path names. */
export const addPaths = (repo: TestRepo, ...paths: string[]) => add(repo.open(), paths as RepoPath[]);

/** `checkout` as the hooks call it, or with other options. */
export const checkoutAll = (repo: TestRepo, options: Partial<CheckoutOptions> = {}) =>
  checkout(repo.open(), { force: false, complete: false, ...options });

/** State by path. */
export async function states(repo: TestRepo): Promise<Record<string, string>> {
  const { paths } = await status(repo.open(), { env: repo.env });
  return Object.fromEntries(
    paths.map((path) => [
      path.path,
      path.state === 'modified' ? `modified +${path.added} -${path.deleted} ~${path.modified}` : path.state,
    ]),
  );
}
