/**
 * `stages.lock`: what made each stage's outputs what they are, and their digests. Tracked by git, so: one valid
 * encoding per value, sorted, one line per dep and out, nothing that differs between two identical runs. Every
 * stage has its own lines between its own heading, so git merges changes of different stages by itself.
 * The bytes are described in docs/stages.md. Loads no YAML library: hooks read this file.
 */
import { join } from 'node:path';
import { DvError } from '../errors.ts';
import { parseDigest } from '../model/digest.ts';
import { withUnixLineEnds } from '../model/line-ends.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, parentOf, pathProblem, type RepoPath } from '../model/repo-path.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import type { Repo } from '../store/repo.ts';
import { readWorkspaceText } from '../store/workspace-text.ts';
import type { RecordedProgram, StageInputs } from './fingerprint.ts';
import { canonicalJson, isJsonMap, type JsonValue, quote } from './json.ts';

/** The lock file's name, at the top of the repository. */
export const lockFileName = 'stages.lock';

/** What one stage read and wrote when it last ran. */
export interface LockEntry extends StageInputs {
  readonly outs: ReadonlyMap<RepoPath, Pointer>;
  /** Always files. */
  readonly metrics: ReadonlyMap<RepoPath, Pointer>;
}

/** Entries by stage name. */
export type StagesLock = ReadonlyMap<string, LockEntry>;

/** Encodes a pointer on one line: `tree sha256:… <files> <bytes>` or `file sha256:… <bytes>`. */
export function formatPointerLine(pointer: Pointer): string {
  const files = pointer.kind === 'tree' ? ` ${pointer.files}` : '';
  return `${pointer.kind} ${pointer.digest}${files} ${pointer.bytes}`;
}

/** Reads what `formatPointerLine` wrote, or gives undefined. */
export function parsePointerLine(text: string): Pointer | undefined {
  const match = /^(?:(tree) (\S+) (0|[1-9][0-9]*)|(file) (\S+)) (0|[1-9][0-9]*)$/.exec(text);
  if (match === null) return undefined;
  const digest = parseDigest(match[2] ?? match[5]!);
  const bytes = Number(match[6]);
  const files = Number(match[3] ?? 0);
  if (digest === undefined || !Number.isSafeInteger(bytes) || !Number.isSafeInteger(files)) return undefined;
  return match[1] === 'tree' ? { kind: 'tree', digest, files, bytes } : { kind: 'file', digest, bytes };
}

// Words that YAML 1.1 or 1.2 reads as something else than a text.
const yamlWords = /^(true|false|null|yes|no|on|off|y|n)$/i;

/** A key as YAML: plain where every YAML reader takes it as a text, else in quotes. */
function formatKey(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_./@+=,-]*$/.test(key) && !yamlWords.test(key) ? key : quote(key);
}

const sorted = <Value>(map: Iterable<readonly [string, Value]>) =>
  [...map].sort(([a], [b]) => comparePaths(a, b));

function formatSection<Value>(
  title: string,
  items: Iterable<readonly [string, Value]>,
  formatValue: (value: Value) => string,
): string {
  const lines = sorted(items).map(([key, value]) => `      ${formatKey(key)}: ${formatValue(value)}\n`);
  return lines.length === 0 ? '' : `    ${title}:\n${lines.join('')}`;
}

function formatEntry(name: string, entry: LockEntry): string {
  const { program } = entry;
  return [
    `  ${formatKey(name)}:\n`,
    program.kind === 'command'
      ? `    cmd: ${quote(program.command)}\n`
      : `    step: ${program.name} ${program.version}\n${formatSection('with', Object.entries(program.args), canonicalJson)}`,
    entry.wdir === '' ? '' : `    wdir: ${quote(entry.wdir)}\n`,
    formatSection('params', entry.params, canonicalJson),
    formatSection('env', entry.env, canonicalJson),
    formatSection('deps', entry.deps, formatPointerLine),
    formatSection('outs', entry.outs, formatPointerLine),
    formatSection('metrics', entry.metrics, formatPointerLine),
  ].join('');
}

/** Encodes a lock, with a final newline. */
export function formatLock(lock: StagesLock): string {
  const entries = sorted(lock).map(([name, entry]) => formatEntry(name, entry));
  return `version: 1\nstages:${entries.length === 0 ? ' {}' : ''}\n${entries.join('')}`;
}

/** A line taken apart: how deep it stands, its key, and what follows the colon (undefined at a heading). */
interface Line {
  readonly number: number;
  readonly depth: number;
  readonly key: string;
  readonly value: string | undefined;
}

/** The lines of a lock behind its two first ones, and a way to fail that names the line. */
class LockReader {
  readonly #file: string;
  readonly #lines: readonly string[];
  #at = 2;

  constructor(text: string, file: string) {
    this.#file = file;
    this.#lines = text.split('\n');
    const conflict = this.#lines.findIndex((line) => /^(<{7}|={7}|>{7}|\|{7})( |$)/.test(line));
    if (conflict !== -1) {
      throw new DvError('invalid-file', {
        problems: [{ file, line: conflict + 1, message: 'git left a merge conflict here' }],
        hint: `git checkout --ours ${file} (or --theirs), then dv repro, which restores what was computed before`,
      });
    }
    const version = /^version: ([1-9][0-9]*)$/.exec(this.#lines[0]!)?.[1];
    if (version !== undefined && version !== '1') throw new DvError('newer-format', { what: file, version });
    if (version === undefined) this.fail(1, 'expected `version: 1`');
    if (!/^stages:( \{\})?$/.test(this.#lines[1] ?? '')) this.fail(2, 'expected `stages:`');
    if (this.#lines.at(-1) !== '') this.fail(this.#lines.length, 'expected a newline at the end');
  }

  fail(line: number, message: string): never {
    throw new DvError('invalid-file', {
      problems: [{ file: this.#file, line, message }],
      hint: `git checkout HEAD -- ${this.#file}, then dv repro`,
    });
  }

  /** The next line if it stands at this depth; undefined when it stands less deep, or at the end. */
  next(depth: number): Line | undefined {
    const text = this.#lines[this.#at];
    const number = this.#at + 1;
    if (text === undefined || (text === '' && number === this.#lines.length)) return undefined;
    const match = /^( *)("(?:[^"\\]|\\.)*"|[^\s":][^\s:]*):(?: (.+))?$/.exec(text);
    if (match === null) this.fail(number, `expected \`key: value\`, found ${JSON.stringify(text)}`);
    const found = match[1]!.length;
    if (found < depth * 2) return undefined;
    if (found > depth * 2)
      this.fail(number, `expected ${depth * 2} spaces before ${match[2]}, found ${found}`);
    this.#at++;
    return { number, depth, key: this.#key(match[2]!, number), value: match[3] };
  }

  #key(text: string, line: number): string {
    if (!text.startsWith('"')) return text;
    const key = this.json(text, line);
    return typeof key === 'string' ? key : this.fail(line, `expected a key, found ${text}`);
  }

  /** Reads a JSON value. */
  json(text: string | undefined, line: number): JsonValue {
    if (text === undefined) this.fail(line, 'expected a value after the colon');
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      return this.fail(line, `expected a number, a text in quotes or other JSON, found ${text}`);
    }
  }

  /** Reads the items of a section as a map, without duplicates. */
  section<Value>(heading: Line, read: (line: Line) => Value): Map<string, Value> {
    if (heading.value !== undefined) this.fail(heading.number, `expected nothing after \`${heading.key}:\``);
    const items = new Map<string, Value>();
    for (let line = this.next(3); line !== undefined; line = this.next(3)) {
      if (items.has(line.key)) this.fail(line.number, `${line.key} stands here twice`);
      items.set(line.key, read(line));
    }
    return items;
  }

  pointer(line: Line): Pointer {
    const problem = pathProblem(line.key);
    if (problem !== undefined)
      this.fail(line.number, `the path ${JSON.stringify(line.key)} is not allowed: ${problem}`);
    return (
      parsePointerLine(line.value ?? '') ??
      this.fail(line.number, 'expected `tree sha256:… <files> <bytes>` or `file sha256:… <bytes>`')
    );
  }
}

const sectionNames = ['cmd', 'step', 'with', 'wdir', 'params', 'env', 'deps', 'outs', 'metrics'] as const;
type SectionName = (typeof sectionNames)[number];

function readEntry(reader: LockReader, heading: Line): LockEntry {
  const lines = new Map<SectionName, Line>();
  let args: Record<string, JsonValue> = {};
  let params = new Map<string, JsonValue>();
  let env = new Map<string, string | null>();
  const paths = { deps: new Map(), outs: new Map(), metrics: new Map() } as Record<
    'deps' | 'outs' | 'metrics',
    Map<RepoPath, Pointer>
  >;
  for (let line = reader.next(2); line !== undefined; line = reader.next(2)) {
    const key = line.key as SectionName;
    if (!sectionNames.includes(key))
      reader.fail(line.number, `${line.key} is none of ${sectionNames.join(', ')}`);
    if (lines.has(key)) reader.fail(line.number, `${key} stands here twice`);
    lines.set(key, line);
    const json = (item: Line) => reader.json(item.value, item.number);
    if (key === 'with') args = Object.fromEntries(reader.section(line, json));
    else if (key === 'params') params = reader.section(line, json);
    else if (key === 'env') {
      env = reader.section(line, (item) => {
        const value = json(item);
        if (value !== null && typeof value !== 'string')
          reader.fail(item.number, 'expected a text in quotes or null');
        return value;
      });
    } else if (key === 'deps' || key === 'outs' || key === 'metrics') {
      paths[key] = reader.section(line, (item) => reader.pointer(item)) as Map<RepoPath, Pointer>;
    }
  }
  return {
    program: readProgram(reader, heading, lines, args),
    wdir: readWdir(reader, lines),
    params,
    env,
    ...paths,
  };
}

function readProgram(
  reader: LockReader,
  heading: Line,
  lines: ReadonlyMap<SectionName, Line>,
  args: Record<string, JsonValue>,
): RecordedProgram {
  const cmd = lines.get('cmd');
  const step = lines.get('step');
  if ((cmd === undefined) === (step === undefined))
    return reader.fail(heading.number, `expected cmd or step below ${heading.key}`);
  if (cmd !== undefined) {
    const command = reader.json(cmd.value, cmd.number);
    return typeof command === 'string'
      ? { kind: 'command', command }
      : reader.fail(cmd.number, 'expected a text in quotes');
  }
  const match = /^([a-z][a-z0-9-]*) ([1-9][0-9]{0,8})$/.exec(step!.value ?? '');
  if (match === null) return reader.fail(step!.number, 'expected `step: <name> <version>`');
  return { kind: 'step', name: match[1]!, version: Number(match[2]), args };
}

function readWdir(reader: LockReader, lines: ReadonlyMap<SectionName, Line>): RepoPath | '' {
  const line = lines.get('wdir');
  if (line === undefined) return '';
  const text = reader.json(line.value, line.number);
  const problem = typeof text === 'string' ? pathProblem(text) : 'it is no text';
  return problem === undefined
    ? (text as RepoPath)
    : reader.fail(line.number, `the folder ${JSON.stringify(text)} is not allowed: ${problem}`);
}

/** Refuses a lock in which two stages, or one, write the same path or one inside another. */
function checkOverlaps(reader: LockReader, headings: ReadonlyMap<string, Line>, lock: StagesLock): void {
  const writers = new Map<string, string>();
  for (const [name, entry] of lock) {
    for (const path of [...entry.outs.keys(), ...entry.metrics.keys()]) {
      const other = writers.get(path);
      if (other !== undefined)
        reader.fail(headings.get(name)!.number, `${name} and ${other} both say they wrote ${path}`);
      writers.set(path, name);
    }
  }
  for (const [path, name] of writers) {
    for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
      const other = writers.get(above);
      if (other !== undefined)
        reader.fail(headings.get(name)!.number, `${path} of ${name} is inside ${above} of ${other}`);
    }
  }
}

/**
 * Reads a lock.
 * @param file how to name it in errors, e.g. `stages.lock` or `v1:stages.lock`.
 * @throws {DvError} invalid-file with line and what was expected; newer-format
 */
export function parseLock(text: string, file: string): StagesLock {
  const reader: LockReader = new LockReader(text, file);
  const lock = new Map<string, LockEntry>();
  const headings = new Map<string, Line>();
  for (let line = reader.next(1); line !== undefined; line = reader.next(1)) {
    if (line.value !== undefined) reader.fail(line.number, `expected nothing after \`${line.key}:\``);
    if (lock.has(line.key)) reader.fail(line.number, `${line.key} stands here twice`);
    headings.set(line.key, line);
    lock.set(line.key, readEntry(reader, line));
  }
  checkOverlaps(reader, headings, lock);
  // What was understood is written again: any other spelling of the same values is refused.
  const expected = formatLock(lock).split('\n');
  const given = text.split('\n');
  const wrong = given.findIndex((line, i) => line !== expected[i]);
  if (wrong !== -1 || given.length !== expected.length) {
    const line = wrong === -1 ? given.length : wrong;
    reader.fail(
      line + 1,
      `expected ${expected[line] ? `\`${expected[line].trim()}\`` : 'the end'} here (sections and keys have one order)`,
    );
  }
  return lock;
}

/** Reads the workspace's lock; an absent one is empty. @throws {DvError} invalid-file, newer-format */
export function readLock(repo: Pick<Repo, 'root'>): StagesLock {
  const text = readWorkspaceText(repo.root, lockFileName);
  return text === undefined ? new Map() : parseLock(withUnixLineEnds(text), lockFileName);
}

/**
 * Records one stage, and drops those that are no longer declared. Reads the file anew, as another stage may
 * have been recorded since. Call under the lock of the worktree.
 * Guarantee: the file holds either its old or its new content.
 * @param declared the names of all stages of stages.yaml.
 * @returns whether the file was changed.
 */
export function saveLockEntry(
  repo: Pick<Repo, 'root'>,
  stage: { readonly name: string; readonly entry: LockEntry } | undefined,
  declared: ReadonlySet<string>,
): boolean {
  const before = readLock(repo);
  const after = new Map([...before].filter(([name]) => declared.has(name)));
  if (stage !== undefined) after.set(stage.name, stage.entry);
  const text = formatLock(after);
  if (text === formatLock(before)) return false;
  writeFileAtomic(join(repo.root, lockFileName), text);
  return true;
}

/** A path a stage wrote, and what it wrote there. */
export interface StageOutput {
  readonly path: RepoPath;
  readonly pointer: Pointer;
}

/** Everything a lock says is in the cache, sorted by path. */
export function outputsOf(lock: StagesLock): StageOutput[] {
  return [...lock.values()]
    .flatMap((entry) => [...entry.outs].map(([path, pointer]) => ({ path, pointer })))
    .sort((a, b) => comparePaths(a.path, b.path));
}

/** The stage outputs the workspace's stages.lock records, sorted by path. @throws {DvError} invalid-file, newer-format */
export function stageOutputs(repo: Pick<Repo, 'root'>): StageOutput[] {
  return outputsOf(readLock(repo));
}

/** Whether two recorded values are the same. */
export function sameJson(a: JsonValue, b: JsonValue): boolean {
  return isJsonMap(a) || Array.isArray(a) ? canonicalJson(a) === canonicalJson(b) : a === b;
}
