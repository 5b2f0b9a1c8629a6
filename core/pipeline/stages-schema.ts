/** The shape of stages.yaml before its paths, parameters and steps are looked at, and words for what does not fit it. */
import * as v from 'valibot';
import { isJsonMap } from './json.ts';
import { gitEvents } from './stage.ts';

const list = (what: string) =>
  v.array(
    v.pipe(v.string(`expected ${what}`), v.nonEmpty(`expected ${what}`)),
    `expected a list of ${what}s`,
  );
/** A map; what valibot calls a record may also be a list. */
const mapOf = <Value extends v.GenericSchema>(value: Value, message: string) =>
  v.pipe(v.custom<Record<string, unknown>>(isJsonMap, message), v.record(v.string(), value, message));
const flag = v.boolean('expected true or false');
const notYet = (name: string) =>
  v.custom<never>(() => false, `${name} is not supported by this version of dv; take it out`);

const timeoutWords = 'expected a number of seconds, or a time such as 90 s, 10 min or 2 h';

/** A stage as it is written. */
const stageSchema = v.strictObject(
  {
    cmd: v.optional(v.pipe(v.string('expected a command line'), v.nonEmpty('expected a command line'))),
    uses: v.optional(v.string('expected the name of a step')),
    with: v.optional(mapOf(v.unknown(), 'expected a map of arguments')),
    deps: v.optional(list('path')),
    outs: v.optional(list('path')),
    metrics: v.optional(list('path')),
    params: v.optional(list('parameter')),
    on: v.optional(
      v.array(
        v.picklist(gitEvents, `expected ${gitEvents.join(', ')}`),
        `expected a list of git events: ${gitEvents.join(', ')}`,
      ),
    ),
    env: v.optional(
      v.union(
        [list('name'), v.record(v.string(), v.nullable(v.union([v.string(), v.number(), v.boolean()])))],
        'expected a list of names of environment variables, or a map of names and values',
      ),
    ),
    wdir: v.optional(v.string('expected a folder')),
    frozen: v.optional(flag),
    always: v.optional(flag),
    persist: v.optional(flag),
    timeout: v.optional(
      v.union(
        [
          v.pipe(v.number(), v.gtValue(0, timeoutWords)),
          v.pipe(v.string(), v.regex(/^[0-9]+ ?(s|min|m|h)$/, timeoutWords)),
        ],
        timeoutWords,
      ),
    ),
    retries: v.optional(
      v.pipe(
        v.number('expected a whole number from 0 to 100'),
        v.integer('expected a whole number from 0 to 100'),
        v.minValue(0, 'expected a whole number from 0 to 100'),
        v.maxValue(100, 'expected a whole number from 0 to 100'),
      ),
    ),
    matrix: v.optional(notYet('matrix')),
    resources: v.optional(notYet('resources')),
    background: v.optional(notYet('background')),
  },
  'expected a map with cmd or uses',
);

/** The file as it is written. */
export const stagesSchema = v.strictObject(
  {
    version: v.literal(1, 'expected `version: 1`'),
    stages: mapOf(stageSchema, 'expected a map of stages'),
  },
  'expected `version: 1` and `stages:`',
);

/** A stage that has the right shape. */
export type WrittenStage = v.InferOutput<typeof stageSchema>;

/** The keys a stage can have. */
export const stageKeys = Object.keys(stageSchema.entries);

/** A value as a person would call it. */
function describeValue(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  Array: 'a list',
  Object: 'a map',
};

/** `"a" | "b"` → `a or b`; `string` → `a text`; `>=1` → `at least 1`. */
function describeExpected(expected: string): string {
  const bound = /^(>=|<=|>|<)(.+)$/.exec(expected);
  if (bound !== null) {
    const words = { '>=': 'at least', '<=': 'at most', '>': 'more than', '<': 'less than' };
    return `${words[bound[1] as keyof typeof words]} ${bound[2]}`;
  }
  return expected
    .replace(/^\((.*)\)$/, '$1')
    .split(' | ')
    .map((one) => kinds[one] ?? one.replace(/^"(.*)"$/, '$1'))
    .join(' or ');
}

/** What valibot found, in our words. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const key = issue.path?.at(-1)?.key;
  if (issue.type === 'strict_object' && issue.expected === 'never') return `${key} is no key here`;
  if (issue.type === 'strict_object' && issue.received === 'undefined' && /^"/.test(issue.expected ?? '')) {
    return `${key} is missing`;
  }
  const ours = !issue.message.startsWith('Invalid ');
  if (ours && !issue.message.startsWith('expected ')) return issue.message;
  if (issue.type === 'safe_integer' || issue.type === 'integer')
    return `expected a whole number, found ${describeValue(issue.input)}`;
  const expected = ours ? issue.message : `expected ${describeExpected(issue.expected ?? 'another value')}`;
  return `${expected}, found ${describeValue(issue.input)}`;
}
