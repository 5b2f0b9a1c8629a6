/** `dv init`: prepares a repository, as far as that is files. Hooks are installed by hooks/install.ts. */
import { existsSync } from 'node:fs';
import { withUnixLineEnds } from '../model/line-ends.ts';
import { lockFileName } from '../pipeline/lock-file.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { explainWriteFailure } from '../store/cache-writer.ts';
import { readIfThere } from '../store/discover.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { listTracked } from '../store/tracked.ts';

/** What `initialise` did. */
export interface Initialised {
  /** Whether `.dvconfig` was written; else it was there. */
  readonly configCreated: boolean;
  /** Whether `.dvconfig` was put into git's index. */
  readonly staged: boolean;
}

/** The settings file a repository starts with: everything in it is a comment. */
export const startConfig = `# Settings of dv for everybody who clones this repository, in the syntax of git's own config.
# Those of one clone only: git config dv.<name> <value>. Secrets never go here.
#
# dv remote add <name> <url> writes:
#
# [dv]
# 	defaultRemote = origin
# [dv "remote.origin"]
# 	url = s3://bucket/folder        ; or gs://bucket/folder, or a folder
#
# Others:
#
# [dv "cache"]
# 	link = reflink,copy             ; hardlink and symlink save space, but files are read-only then
# [dv "hooks"]
# 	pre-push = on                   ; off: git push does not push data first
`;

/**
 * Gives pointers and stages.lock that git wrote with CR LF their own line ends: from now on git's attributes keep it
 * from converting them, and would take CR LF for a change to commit.
 * @throws {DvError} not-writable, disk-full
 */
export function mendLineEnds(repo: Repo): void {
  for (const file of [...listTracked(repo).tracked.map(({ pointerPath }) => pointerPath), lockFileName]) {
    const absolute = absolutePath(repo, file);
    const text = readIfThere(absolute);
    if (text === undefined || withUnixLineEnds(text) === text) continue;
    try {
      writeFileAtomic(absolute, withUnixLineEnds(text));
    } catch (error) {
      throw explainWriteFailure(error, absolute);
    }
  }
}

/**
 * Writes `.dvconfig` if there is none, and stages it unless `dv.autostage` is off. Safe to repeat.
 * @throws {DvError} not-writable, disk-full
 */
export function initialise(repo: Repo): Initialised {
  const path = absolutePath(repo, '.dvconfig');
  if (existsSync(path)) return { configCreated: false, staged: false };
  try {
    writeFileAtomic(path, startConfig);
  } catch (error) {
    throw explainWriteFailure(error, path);
  }
  // git refuses where the file is ignored, which is then what the user wants.
  const staged =
    repo.config.autostage && repo.git.available && repo.git.run(['add', '--', '.dvconfig']).status === 0;
  return { configCreated: true, staged };
}
