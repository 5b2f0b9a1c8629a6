/** History through the git program: one `git cat-file --batch` for every object, one `git for-each-ref` for every ref. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { DvError, systemCode } from '../errors.ts';
import type { Git } from './git.ts';
import type { ObjectSource, Ref, WalkOptions } from './history.ts';
import type { GitObject } from './history-objects.ts';

/** git's answer to one line of `cat-file --batch`. */
type Answer = GitObject | 'unknown' | 'ambiguous';

/** Opens the engine. Nothing is started before the first question. */
export function openGitSource(git: Git): ObjectSource {
  let started: CatFile | undefined;
  const objects = () => {
    started ??= new CatFile(git);
    return started;
  };
  return {
    engine: 'git',
    refs: async () => readRefs(git),
    async resolve(revisions) {
      const answers = await objects().ask(revisions.map((revision) => `${revision}^{commit}`));
      // Behind `^{commit}` git calls ambiguous digits missing; asked for alone, it says what they are.
      return Promise.all(
        answers.map(async (answer, i) => {
          const digits = /^[0-9a-f]{4,}(?=[~^]|$)/i.exec(revisions[i]!)?.[0];
          if (answer !== 'unknown' || digits === undefined) return answer;
          return (await objects().ask([digits]))[0] === 'ambiguous' ? 'ambiguous' : answer;
        }),
      );
    },
    async read(ids) {
      return (await objects().ask(ids)).map((answer) => (typeof answer === 'string' ? undefined : answer));
    },
    walk: async (options) => revList(git, options),
    close: async () => started?.close(),
  };
}

const kinds = [
  ['refs/heads/', 'branch'],
  ['refs/remotes/', 'remote-branch'],
  ['refs/tags/', 'tag'],
] as const;

function readRefs(git: Git): Ref[] {
  const format = ['HEAD', 'symref', 'refname', 'objectname', 'objecttype', '*objectname', '*objecttype'];
  const listed = git.output([
    'for-each-ref',
    `--format=${format.map((field) => `%(${field})`).join('%00')}`,
    ...kinds.map(([prefix]) => prefix),
  ]);
  const refs: Ref[] = [];
  for (const line of listed.split('\n')) {
    if (line === '') continue;
    const [head, symref, fullName = '', id, type, peeledId, peeledType] = line.split('\0');
    const [prefix, kind] = kinds.find(([start]) => fullName.startsWith(start))!;
    if (kind === 'remote-branch' && symref !== '') continue;
    const commit = type === 'commit' ? id : peeledType === 'commit' ? peeledId : undefined;
    if (commit === undefined) continue;
    refs.push({ kind, name: fullName.slice(prefix.length), fullName, commit, current: head === '*' });
  }
  return refs;
}

function revList(git: Git, { from, paths, limit, firstParent }: WalkOptions): string[] {
  const listed = git.output(
    [
      '--literal-pathspecs',
      'rev-list',
      '--stdin',
      ...(limit === undefined ? [] : [`--max-count=${limit}`]),
      ...(firstParent ? ['--first-parent'] : []),
      ...(paths === undefined ? [] : ['--', ...paths]),
    ],
    { input: `${from.join('\n')}\n` },
  );
  return listed.split('\n').filter((id) => id !== '');
}

/** A running `git cat-file --batch`. Answers come in the order of the questions. */
class CatFile {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = [];
  /** What came and is not understood yet: the start of a header line, or of an object's bytes. */
  #pieces: Buffer[] = [];
  #length = 0;
  /** The object whose bytes are coming. */
  #header: { id: string; type: GitObject['type']; size: number } | undefined;
  #stderr = '';
  #failure: unknown;

  constructor(git: Git) {
    this.#process = git.start(['cat-file', '--batch']);
    this.#process.stdout.on('data', (piece: Buffer) => this.#take(piece));
    this.#process.stderr.on('data', (piece: Buffer) => {
      this.#stderr += piece.toString();
    });
    // A git that ended makes writing fail; that it ended is reported below.
    this.#process.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        this.#fail(
          systemCode(error) === 'ENOENT' ? new DvError('git-missing', { need: 'reading history' }) : error,
        );
        resolve();
      });
      this.#process.on('close', (status) => {
        this.#fail(
          new DvError('git-failed', { command: 'git cat-file --batch', status, output: this.#stderr }),
        );
        resolve();
      });
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  /** Asks for objects by anything git takes for their names; no name may hold a newline. */
  ask(names: readonly string[]): Promise<Answer[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const answers = names.map(
      () => new Promise<Answer>((resolve, reject) => this.#waiting.push({ resolve, reject })),
    );
    this.#process.stdin.write(names.map((name) => `${name}\n`).join(''));
    return Promise.all(answers);
  }

  #take(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
    // An object's pieces are joined once, when the last is there.
    if (this.#header !== undefined && this.#length <= this.#header.size) return;
    let bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    for (;;) {
      if (this.#header === undefined) {
        const newline = bytes.indexOf(0x0a);
        if (newline === -1) break;
        const line = bytes.toString('utf8', 0, newline);
        bytes = bytes.subarray(newline + 1);
        const match = /^([0-9a-f]{40,64}) (commit|tree|blob|tag) (\d+)$/.exec(line);
        if (match === null) {
          this.#waiting.shift()?.resolve(line.endsWith(' ambiguous') ? 'ambiguous' : 'unknown');
          continue;
        }
        this.#header = { id: match[1]!, type: match[2] as GitObject['type'], size: Number(match[3]) };
      }
      const { id, type, size } = this.#header;
      // One newline follows the bytes.
      if (bytes.length <= size) break;
      this.#waiting.shift()?.resolve({ id, type, bytes: bytes.subarray(0, size) });
      bytes = bytes.subarray(size + 1);
      this.#header = undefined;
    }
    this.#pieces = bytes.length === 0 ? [] : [bytes];
    this.#length = bytes.length;
  }

  close(): Promise<void> {
    this.#process.stdin.end();
    return this.#ended;
  }
}
