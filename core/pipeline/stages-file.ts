/** `stages.yaml`: text → stages, or every problem at once with file, line and column. */
import { posix } from 'node:path';
import * as v from 'valibot';
import { DvError, type FileProblem } from '../errors.ts';
import { isWithin, parseRepoPath, pathProblem, type RepoPath } from '../model/repo-path.ts';
import { type StepName, steps } from '../model/steps.ts';
import type { Repo } from '../store/repo.ts';
import { readWorkspaceText } from '../store/workspace-text.ts';
import { findCycles, findOverlaps } from './graph.ts';
import { isJsonMap, type JsonValue, jsonProblem } from './json.ts';
import { fill, type LookedUp, lookUp, type Params, parseParams, wholeReference } from './params.ts';
import { type Program, paramsFileName, type Stage, type StagePath, stagesFileName } from './stage.ts';
import { describeIssue, stageKeys, stagesSchema, type WrittenStage } from './stages-schema.ts';
import { formatPath, type PathPart, parseYaml, type YamlFile } from './yaml-file.ts';

/** A file's text and how to name it in problems. */
export interface SourceFile {
  readonly text: string;
  readonly file: string;
}

/** Collects problems with the place they are at. */
class Problems {
  readonly found: FileProblem[] = [];
  readonly #file: string;
  readonly #yaml: YamlFile;

  constructor(file: string, yaml: YamlFile) {
    this.#file = file;
    this.#yaml = yaml;
  }

  add(path: readonly PathPart[], message: string): void {
    this.found.push({ file: this.#file, ...this.#yaml.locate(path), at: formatPath(path), message });
  }

  locate(path: readonly PathPart[]) {
    return this.#yaml.locate(path);
  }

  /** All of them, in the order of the file. */
  throwIfAny(): void {
    if (this.found.length === 0) return;
    const problems = this.found.sort((a, b) => a.line! - b.line! || a.column! - b.column!);
    throw new DvError('invalid-file', { problems });
  }
}

/**
 * Reads stages.yaml.
 * @param params params.yaml, when there is one.
 * @throws {DvError} invalid-file with every problem; newer-format
 */
export async function parseStages(source: SourceFile, params?: SourceFile): Promise<Stage[]> {
  const { file } = source;
  const parsed = await parseYaml(source.text, file);
  if (!parsed.ok) throw new DvError('invalid-file', { problems: parsed.problems });
  const values = params === undefined ? {} : await parseParams(params.text, params.file);
  const problems = new Problems(file, parsed.yaml);
  const { value } = parsed.yaml;
  if (isJsonMap(value) && typeof value.version === 'number' && value.version > 1) {
    throw new DvError('newer-format', { what: file, version: String(value.version) });
  }
  const shape = v.safeParse(stagesSchema, value);
  const unfit = new Set<string>();
  for (const issue of shape.issues ?? []) {
    const path = (issue.path ?? []).map((item) => item.key as PathPart);
    if (typeof path[1] === 'string') unfit.add(path[1]);
    problems.add(path, describeShapeIssue(issue, path));
  }
  // Stages that fit are looked at further even when others do not, so that all problems are told at once.
  const written = isJsonMap(value) && isJsonMap(value.stages) ? value.stages : {};
  const stages: Stage[] = [];
  for (const [name, stage] of Object.entries(written)) {
    if (unfit.has(name)) continue;
    const checked = new StageReader(name, stage as WrittenStage, { problems, params: values }).read();
    if (checked !== undefined) stages.push(checked);
  }
  checkWrites(stages, problems);
  checkCycles(stages, problems);
  problems.throwIfAny();
  return stages;
}

function describeShapeIssue(issue: v.BaseIssue<unknown>, path: readonly PathPart[]): string {
  const unknown = issue.type === 'strict_object' && issue.expected === 'never';
  if (unknown && path.length === 3) return `${path[2]} is no key of a stage (${stageKeys.join(', ')})`;
  if (unknown && path.length === 1) return `${path[0]} is no key of this file (version, stages)`;
  return describeIssue(issue);
}

interface Surroundings {
  readonly problems: Problems;
  readonly params: Params;
}

// dv and git read these themselves; a stage that wrote them would change its own rules.
const reservedNames =
  /^(stages\.yaml|stages\.lock|params\.yaml|\.gitignore|\.gitattributes|\.gitmodules|\.dvconfig|\.dvignore|\.dvcignore)$/;
const secretName = /(^|_)(secret|token|password|passwd|credentials?|key|secret_?key|access_?key(_id)?)$/i;

/** Turns one stage that has the right shape into a checked one. */
class StageReader {
  readonly #name: string;
  readonly #stage: WrittenStage;
  readonly #problems: Problems;
  readonly #params: Params;
  readonly #used = new Map<string, JsonValue>();
  readonly #filledArgs = new Set<string>();
  #ok = true;

  constructor(name: string, stage: WrittenStage, { problems, params }: Surroundings) {
    this.#name = name;
    this.#stage = stage;
    this.#problems = problems;
    this.#params = params;
  }

  #at(...path: PathPart[]): PathPart[] {
    return ['stages', this.#name, ...path];
  }

  #complain(path: readonly PathPart[], message: string): void {
    this.#ok = false;
    this.#problems.add(path, message);
  }

  #find = (key: string): LookedUp => lookUp(this.#params, key, paramsFileName);

  /** The stage, or undefined when it has problems; these are among the others then. */
  read(): Stage | undefined {
    const stage = this.#stage;
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(this.#name)) {
      this.#complain(
        this.#at(),
        'expected a name of letters, digits, `_`, `-` and `.`, at most 100 of them, not starting with `-` or `.`',
      );
    }
    const wdir = this.#readWdir();
    const listed = this.#readParams();
    const program = this.#readProgram();
    const declared = program?.kind === 'step' ? this.#declaredPaths(program) : undefined;
    const pathsOf = (key: 'deps' | 'outs' | 'metrics'): StagePath[] => {
      const written = (stage[key] ?? []).map((text, i) => ({ text, at: this.#at(key, i) }));
      const paths = [...written, ...(declared?.[key] ?? [])].flatMap(({ text, at }) => {
        const path = this.#resolve(wdir ?? '', text, at);
        if (path !== undefined && key !== 'deps') this.#checkWritten(path, at);
        return path === undefined ? [] : [{ path, at: formatPath(at), ...this.#problems.locate(at) }];
      });
      if (key === 'deps') return [...new Map(paths.map((path) => [path.path, path])).values()];
      return paths;
    };
    const paths = { deps: pathsOf('deps'), outs: pathsOf('outs'), metrics: pathsOf('metrics') };
    const env = this.#readEnv();
    if (!this.#ok || program === undefined || wdir === undefined) return undefined;
    return {
      name: this.#name,
      ...this.#problems.locate(this.#at()),
      program,
      wdir,
      ...paths,
      params: new Map([...listed, ...this.#used]),
      filledArgs: this.#filledArgs,
      env,
      on: stage.on ?? [],
      frozen: stage.frozen ?? false,
      always: stage.always ?? false,
      persist: stage.persist ?? false,
      timeoutMs: parseTimeout(stage.timeout),
      retries: stage.retries ?? 0,
    };
  }

  #readWdir(): RepoPath | '' | undefined {
    const text = this.#stage.wdir;
    if (text === undefined) return '';
    const folder = posix.normalize(text).replace(/\/$/, '');
    return folder === '.' ? '' : this.#resolve('', text, this.#at('wdir'));
  }

  #readParams(): Map<string, JsonValue> {
    const listed = new Map<string, JsonValue>();
    this.#stage.params?.forEach((key, i) => {
      const found = this.#find(key);
      if ('problem' in found) this.#complain(this.#at('params', i), found.problem);
      else listed.set(key, found.value);
    });
    return listed;
  }

  #readProgram(): Program | undefined {
    const { cmd, uses } = this.#stage;
    if (cmd === undefined && uses === undefined) {
      this.#complain(this.#at(), 'expected cmd (a command line) or uses (a built-in step)');
      return undefined;
    }
    if (cmd !== undefined) {
      if (uses !== undefined) this.#complain(this.#at('uses'), 'expected either cmd or uses, found both');
      if (this.#stage.with !== undefined)
        this.#complain(this.#at('with'), 'arguments are for a step (uses); a cmd names them itself');
      const filled = fill(cmd, this.#find);
      for (const problem of filled.problems) this.#complain(this.#at('cmd'), problem);
      if (cmd.includes('\0')) this.#complain(this.#at('cmd'), 'a command line cannot hold a NUL byte');
      for (const [key, value] of filled.used) this.#used.set(key, value);
      return { kind: 'command', template: cmd, command: filled.text };
    }
    return this.#readStep(uses!);
  }

  #readStep(uses: string): Program | undefined {
    if (!Object.hasOwn(steps, uses)) {
      this.#complain(
        this.#at('uses'),
        `expected one of ${Object.keys(steps).join(', ')}, found ${JSON.stringify(uses)}`,
      );
      return undefined;
    }
    const name = uses as StepName;
    for (const key of ['outs', 'metrics'] as const) {
      if (this.#stage[key] !== undefined)
        this.#complain(this.#at(key), `the step ${name} says itself what it writes; take ${key} out`);
    }
    const before = this.#problems.found.length;
    const args: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(this.#stage.with ?? {}))
      args[key] = this.#fillArgument(value, key, [key]);
    if (this.#problems.found.length > before) return undefined;
    const declaration = steps[name];
    const checked = v.safeParse(
      declaration.schema as v.GenericSchema<unknown, Record<string, JsonValue>>,
      args,
    );
    if (!checked.success) {
      for (const issue of checked.issues) {
        const path = (issue.path ?? []).map((item) => item.key as PathPart);
        const unknown = issue.type === 'strict_object' && issue.expected === 'never';
        const known = Object.keys(declaration.schema.entries).join(', ');
        this.#complain(
          this.#at('with', ...path),
          unknown ? `${path.at(-1)} is no argument of ${name} (${known})` : describeIssue(issue),
        );
      }
      return undefined;
    }
    return { kind: 'step', name, version: declaration.version, args: checked.output };
  }

  /** Puts parameters into one argument, however deep; a text that is one `${key}` becomes the value itself. */
  #fillArgument(value: unknown, first: string, path: readonly PathPart[]): unknown {
    const at = this.#at('with', ...path);
    if (typeof value === 'string') {
      const key = wholeReference(value);
      if (key !== undefined) {
        const found = this.#find(key);
        if ('problem' in found) {
          this.#complain(at, found.problem);
          return value;
        }
        this.#used.set(key, found.value);
        this.#filledArgs.add(first);
        return found.value;
      }
      const filled = fill(value, this.#find);
      for (const problem of filled.problems) this.#complain(at, problem);
      for (const [name, used] of filled.used) this.#used.set(name, used);
      if (filled.used.size > 0) this.#filledArgs.add(first);
      return filled.text;
    }
    if (Array.isArray(value)) return value.map((item, i) => this.#fillArgument(item, first, [...path, i]));
    if (isJsonMap(value)) {
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, this.#fillArgument(item, first, [...path, key])]),
      );
    }
    const problem = jsonProblem(value);
    if (problem !== undefined) this.#complain(at, problem);
    return value;
  }

  /** What a step says it reads and writes, each at the argument that names it. */
  #declaredPaths(program: Program & { kind: 'step' }) {
    const declaration = steps[program.name];
    const place = (text: string) => {
      const key = Object.entries(program.args).find(([, value]) => value === text)?.[0];
      return { text, at: key === undefined ? this.#at('with') : this.#at('with', key) };
    };
    // Each declaration takes the arguments its own schema has just checked.
    const call = (list: (args: never) => string[]) => list(program.args as never).map(place);
    return {
      deps: call(declaration.deps),
      outs: call(declaration.outs),
      metrics: call(declaration.metrics),
    };
  }

  /** A path as written, taken from the working directory, as a path of the repository. */
  #resolve(wdir: string, text: string, at: readonly PathPart[]): RepoPath | undefined {
    if (text.includes('${')) {
      this.#complain(at, `parameters (\${…}) are filled in in cmd and with only`);
      return undefined;
    }
    if (text.startsWith('/') || text === '') {
      this.#complain(at, `expected a path inside the repository, found ${JSON.stringify(text)}`);
      return undefined;
    }
    const path = posix.normalize(`${wdir}/${text}`).replace(/^\//, '').replace(/\/$/, '');
    const above = posix.normalize(posix.join(wdir, text));
    if (above === '..' || above.startsWith('../')) {
      this.#complain(at, `${JSON.stringify(text)} is outside the repository`);
      return undefined;
    }
    if (above === '.' || above === './') {
      this.#complain(at, 'expected a path inside the repository, found its top');
      return undefined;
    }
    const problem = pathProblem(path);
    if (problem !== undefined) {
      this.#complain(at, `the path ${JSON.stringify(text)} is not allowed: ${problem}`);
      return undefined;
    }
    return parseRepoPath(path);
  }

  #checkWritten(path: RepoPath, at: readonly PathPart[]): void {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (reservedNames.test(name))
      this.#complain(at, `${path} is a file dv or git reads; a stage cannot write it`);
    if (name.endsWith('.dv')) this.#complain(at, `${path} ends as pointers do; a stage cannot write it`);
  }

  #readEnv(): Map<string, string | undefined> {
    const written = this.#stage.env ?? [];
    const env = new Map<string, string | undefined>();
    const entries: [string, unknown, PathPart[]][] = Array.isArray(written)
      ? written.map((name, i) => [name, null, this.#at('env', i)])
      : Object.entries(written).map(([name, value]) => [name, value, this.#at('env', name)]);
    for (const [name, value, at] of entries) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
        this.#complain(at, `expected the name of an environment variable, found ${JSON.stringify(name)}`);
      else if (secretName.test(name)) {
        this.#complain(
          at,
          `${name} looks like a secret, and what is listed here is recorded in stages.lock; stages get the whole environment, so leave it out`,
        );
      } else env.set(name, value === null ? undefined : String(value));
    }
    return env;
  }
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/** Seconds, or a number with a unit, in milliseconds. */
function parseTimeout(written: number | string | undefined): number | undefined {
  if (written === undefined) return undefined;
  if (typeof written === 'number') return Math.round(written * 1000);
  const match = /^([0-9]+) ?([a-z]+)$/.exec(written)!;
  return Number(match[1]) * unitMs[match[2]!]!;
}

/** Two stages (or one) that write the same path, or one inside the other. */
function checkWrites(stages: readonly Stage[], problems: Problems): void {
  for (const { outer, inner } of findOverlaps(stages)) {
    const same = outer.ref.path === inner.ref.path;
    const [later, earlier] = inner.ref.line >= outer.ref.line ? [inner, outer] : [outer, inner];
    const who = later.stage === earlier.stage ? 'this stage' : earlier.stage;
    const what = same
      ? `${later.ref.path} is also written by ${who}`
      : `${later.ref.path} ${later === inner ? 'is inside' : 'contains'} ${earlier.ref.path}, written by ${who}`;
    problems.found.push({
      file: stagesFileName,
      line: later.ref.line,
      column: later.ref.column,
      at: later.ref.at,
      message: `${what} (line ${earlier.ref.line})`,
    });
  }
}

function checkCycles(stages: readonly Stage[], problems: Problems): void {
  for (const cycle of findCycles(stages)) {
    const [first] = cycle;
    const path = ['stages', first!];
    if (cycle.length === 1) problems.add(path, `${first} reads what it writes itself`);
    else problems.add(path, `these stages wait for each other: ${[...cycle, first].join(' → ')}`);
  }
}

function readIfThere(repo: Pick<Repo, 'root'>, file: string): SourceFile | undefined {
  const text = readWorkspaceText(repo.root, file);
  return text === undefined ? undefined : { file, text };
}

/** The stages of the workspace, or undefined when it has no stages.yaml. @throws {DvError} invalid-file, newer-format */
export async function readStages(repo: Pick<Repo, 'root'>): Promise<Stage[] | undefined> {
  const source = readIfThere(repo, stagesFileName);
  return source === undefined ? undefined : parseStages(source, readIfThere(repo, paramsFileName));
}

/**
 * The names of the stages whose `on` has this git event. Does not load YAML when stages.yaml does not even name it.
 * @throws {DvError} invalid-file, newer-format
 */
export async function stagesForEvent(repo: Pick<Repo, 'root'>, event: string): Promise<string[]> {
  const source = readIfThere(repo, stagesFileName);
  if (source === undefined || !source.text.includes(event)) return [];
  const stages = await parseStages(source, readIfThere(repo, paramsFileName));
  return stages.filter(({ on }) => on.some((name) => name === event)).map(({ name }) => name);
}

/** Refuses stages that write where dv-tracked data lies. @throws {DvError} invalid-file */
export function refuseTrackedOutputs(stages: readonly Stage[], tracked: readonly RepoPath[]): void {
  const problems: FileProblem[] = [];
  for (const { outs, metrics } of stages) {
    for (const { path, line, column, at } of [...outs, ...metrics]) {
      const data = tracked.find((other) => isWithin(path, other) || isWithin(other, path));
      if (data !== undefined) {
        problems.push({
          file: stagesFileName,
          line,
          column,
          at,
          message: `${path} is ${path === data ? '' : isWithin(path, data) ? `inside ${data}, ` : `above ${data}, `}data that dv add tracks; a path is either data or written by a stage`,
        });
      }
    }
  }
  if (problems.length > 0) throw new DvError('invalid-file', { problems });
}
