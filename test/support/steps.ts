/** A folder for a step to work in, the step run as the terminal runs it, and images made for it. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import * as v from 'valibot';
import { type RunStep, StepError } from '../../core/model/step.ts';
import { type StepArgs, type StepName, steps } from '../../core/model/steps.ts';

/** An empty temporary folder with helpers; removed when disposed. */
export async function stepFolder() {
  const directory = await mkdtemp(join(tmpdir(), 'dv-step-'));
  const at = (path: string) => join(directory, path);
  return {
    directory,
    at,
    /** Writes a file and the folders above it. */
    async write(path: string, bytes: Uint8Array | string): Promise<void> {
      await mkdir(dirname(at(path)), { recursive: true });
      await writeFile(at(path), bytes);
    },
    read: (path: string): Promise<Buffer> => readFile(at(path)),
    /** Every file below a folder, sorted, with its bytes. */
    async files(path: string): Promise<Map<string, Buffer>> {
      const entries = await readdir(at(path), { withFileTypes: true, recursive: true });
      const found = new Map<string, Buffer>();
      const names = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(at(path).length + 1))
        .sort();
      for (const name of names) found.set(name, await readFile(join(at(path), name)));
      return found;
    },
    /** Runs a step with its arguments checked and completed; gives back what it logged. */
    async run<Name extends StepName>(
      name: Name,
      program: RunStep<StepArgs<Name>>,
      args: v.InferInput<(typeof steps)[Name]['schema']>,
      { threads = 2, signal = new AbortController().signal } = {},
    ): Promise<string[]> {
      const log: string[] = [];
      const complete = v.parse(steps[name].schema, args) as StepArgs<Name>;
      await program(complete, { directory, signal, threads, log: (line) => log.push(line) });
      return log;
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The message of the StepError that something ends in; any other end is an error of the test. */
export async function stepErrorOf(promise: Promise<unknown>): Promise<string> {
  const outcome = await promise.then(
    () => 'no error',
    (error: unknown) => error,
  );
  if (outcome instanceof StepError) return outcome.message;
  throw new Error(`expected a StepError, got ${outcome}`, { cause: outcome });
}

/** Pixels that differ from image to image and from place to place, for images that need no meaning. */
export function pattern(seed: number, { height = 8, width = 8, channels = 1 as 1 | 2 | 3 | 4 } = {}) {
  const data = Uint8Array.from(
    { length: height * width * channels },
    (_, i) => (i * 37 + seed * 101 + ((i * i) >> 3)) & 255,
  );
  return { data, height, width, channels };
}

/** A grey or colour image file of a pattern. */
export function imageFile(
  seed: number,
  format: 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' = 'png',
  options: { height?: number; width?: number; channels?: 1 | 2 | 3 | 4 } = {},
): Promise<Buffer> {
  const { data, height, width, channels } = pattern(seed, options);
  return sharp(data, { raw: { height, width, channels } })
    .toColourspace(channels < 3 ? 'b-w' : 'srgb')
    .toFormat(format)
    .toBuffer();
}
