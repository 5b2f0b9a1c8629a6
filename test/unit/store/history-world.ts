/** Temporary git repositories with branches made from plain objects, for the tests of what reads history. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Files by path; undefined removes one. */
export type Files = Record<string, string | Uint8Array | undefined>;

/** A repository that removes itself. Each commit is one hour after the one before, from 2026-01-01. */
export class HistoryWorld implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'dv-history-'));
  /** Top of the workspace. */
  readonly root = join(this.folder, 'repo');
  readonly env: NodeJS.ProcessEnv;
  #hours = 0;

  constructor(initOptions: readonly string[] = []) {
    mkdirSync(this.root);
    this.env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Ana',
      GIT_AUTHOR_EMAIL: 'ana@example.org',
      GIT_COMMITTER_NAME: 'Ben',
      GIT_COMMITTER_EMAIL: 'ben@example.org',
    };
    this.git('init', '-q', '-b', 'main', ...initOptions);
  }

  /** Runs git at the top and gives its output without the last newline. */
  git(...args: string[]): string {
    const at = `${1767225600 + 3600 * this.#hours} +0100`;
    const result = spawnSync('git', args, {
      cwd: this.root,
      env: { ...this.env, GIT_AUTHOR_DATE: at, GIT_COMMITTER_DATE: at },
      encoding: 'utf8',
    });
    if (result.status !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`);
    return result.stdout.trimEnd();
  }

  /** Writes and removes files of the workspace. */
  write(files: Files): void {
    for (const [path, content] of Object.entries(files)) {
      const absolute = join(this.root, path);
      if (content === undefined) rmSync(absolute, { recursive: true });
      else {
        mkdirSync(dirname(absolute), { recursive: true });
        writeFileSync(absolute, content);
      }
    }
  }

  /** Writes files, commits all that changed and gives the commit's id. */
  commit(subject: string, files: Files = {}): string {
    this.#hours++;
    this.write(files);
    this.git('add', '-A');
    this.git('commit', '-q', '--allow-empty', '-m', subject);
    return this.git('rev-parse', 'HEAD');
  }

  /** Makes a branch at a revision, with one commit on it, and goes back to where it was. */
  branch(name: string, files: Files, from = 'HEAD'): string {
    const before = this.git('rev-parse', '--abbrev-ref', 'HEAD');
    this.git('checkout', '-q', '-b', name, from);
    const id = this.commit(`work on ${name}`, files);
    this.git('checkout', '-q', before);
    return id;
  }

  /** Merges a branch into the one checked out. */
  merge(name: string): string {
    this.#hours++;
    this.git('merge', '-q', '--no-ff', '-m', `merge ${name}`, name);
    return this.git('rev-parse', 'HEAD');
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
