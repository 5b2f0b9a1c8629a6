/** `dv gc --yes --force --older-than 0s` in this process. */
import { type GcOptions, type GcResult, gc } from '../../core/ops/gc.ts';
import type { TestRepo } from './repo.ts';

/** Removes everything that nothing needs, unless the options say otherwise. */
export const collectGarbage = (world: TestRepo, options: Partial<GcOptions> = {}): Promise<GcResult> =>
  gc(world.open(), {
    apply: true,
    olderThanMs: 0,
    force: true,
    skipBroken: false,
    usedBy: undefined,
    remotes: [],
    env: world.env,
    ...options,
  });
