/** Writing the output folder of a step: whole or not at all, and never over somebody else's files. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { systemCode } from '../errors.ts';
import { StepError } from '../model/step.ts';

/** A folder that a step is to write. */
export interface OutFolder {
  /** Absolute path. */
  readonly folder: string;
  /** The folder as the user wrote it. */
  readonly shown: string;
  /** Whether a folder with these names in it was written by the step before, and may be replaced. */
  isOurs(names: readonly string[]): boolean | Promise<boolean>;
}

/**
 * Fills a folder. An earlier output in its place is replaced.
 * Guarantee: the folder appears under its name when complete. Until then, `.<name>.partial` beside it is used;
 * one left by a killed run is removed by the next.
 * @throws {StepError} when the folder holds files that the step did not write, the disk is full, or it cannot be
 * written to.
 */
export async function writeOutFolder(
  out: OutFolder,
  fill: (partial: string) => Promise<void>,
): Promise<void> {
  const { folder, shown } = out;
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    if (systemCode(error) === 'ENOTDIR')
      throw new StepError(`${shown} is a file; expected a folder to write to`);
    throw error;
  });
  if (names.length > 0 && !(await out.isOurs(names)))
    throw new StepError(
      `${shown} holds files that this step did not write; they were kept`,
      'choose another folder, or move the files away',
    );
  const partial = join(dirname(folder), `.${basename(folder)}.partial`);
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    await fill(partial);
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw explainWriting(error, shown);
  }
}

/** What the system says when it cannot write, in words for people; other errors as they are. */
function explainWriting(error: unknown, shown: string): unknown {
  const code = systemCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StepError(
      `no space left on the disk that holds ${shown}; nothing was written`,
      'free some space and run the step again',
    );
  if (code === 'EROFS' || code === 'EACCES')
    return new StepError(`${shown} cannot be written here; nothing was written`, 'make its folder writable');
  return error;
}

/**
 * Checks that a step does not write into what it reads, nor the other way round.
 * @throws {StepError} when one folder is the other or inside it.
 */
export function requireApart(
  from: { folder: string; shown: string },
  to: { folder: string; shown: string },
): void {
  const isWithin = (inner: string, outer: string) => {
    const path = relative(outer, inner);
    return path === '' || !(path === '..' || path.startsWith(`..${sep}`));
  };
  if (isWithin(to.folder, from.folder) || isWithin(from.folder, to.folder))
    throw new StepError(`${to.shown} and ${from.shown} overlap: a step cannot write into what it reads`);
}
