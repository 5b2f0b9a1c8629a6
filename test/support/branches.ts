/** A test repository whose history is made from plain objects: commits and branches in one call each. */
import { type TestRepo, testRepo } from './repo.ts';

/** Files by path; undefined removes one. */
export type Files = Record<string, string | Uint8Array | undefined>;

/** A test repository with short ways to make history. */
export interface HistoryRepo extends TestRepo {
  /** Runs git and gives its output without white space around it. */
  ask(...args: string[]): Promise<string>;
  /** Writes and removes files, commits everything and gives the commit's id. */
  commitFiles(subject: string, files?: Files): Promise<string>;
  /** Makes a branch at HEAD with one commit, gives that commit's id, and goes back to the branch before. */
  branch(name: string, files: Files): Promise<string>;
}

/** Makes an empty repository. @param initOptions for `git init`. */
export async function historyRepo(initOptions: readonly string[] = []): Promise<HistoryRepo> {
  const base = await testRepo({}, { git: initOptions.length === 0 });
  const repo: HistoryRepo = {
    ...base,
    [Symbol.asyncDispose]: base[Symbol.asyncDispose],
    ask: async (...args) => (await base.git(...args)).trim(),
    async commitFiles(subject, files = {}) {
      for (const [path, content] of Object.entries(files)) {
        if (content === undefined) base.remove(path);
        else base.write(path, content);
      }
      return base.commit(subject);
    },
    async branch(name, files) {
      const before = await repo.ask('rev-parse', '--abbrev-ref', 'HEAD');
      await base.git('checkout', '--quiet', '-b', name);
      const id = await repo.commitFiles(`work on ${name}`, files);
      await base.git('checkout', '--quiet', before);
      return id;
    },
  };
  if (initOptions.length > 0) await base.git('init', '--quiet', ...initOptions);
  return repo;
}
