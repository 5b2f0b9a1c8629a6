/** Ages as git's settings write them (`gc.pruneExpire`): `2.weeks.ago`, `now`, `never`; and short: `14d`, `36h`. */
const secondMs = 1000;
const unitMs: Readonly<Record<string, number>> = {
  s: secondMs,
  second: secondMs,
  m: 60 * secondMs,
  minute: 60 * secondMs,
  h: 3600 * secondMs,
  hour: 3600 * secondMs,
  d: 86_400 * secondMs,
  day: 86_400 * secondMs,
  w: 7 * 86_400 * secondMs,
  week: 7 * 86_400 * secondMs,
  month: 30 * 86_400 * secondMs,
  year: 365 * 86_400 * secondMs,
};

/** What to write, for messages. */
export const ageForms = '2.weeks.ago, 14d, 36h, 90m, 30s, now or never';

/** An age in milliseconds; `Infinity` for `never`; undefined when the text is none. */
export function parseAge(text: string): number | undefined {
  const word = text.trim().toLowerCase();
  if (word === 'now' || word === 'all') return 0;
  if (word === 'never' || word === 'false') return Number.POSITIVE_INFINITY;
  const match = /^([0-9]{1,6})[. ]?([a-z]+?)(s?)(?:[. ]ago)?$/.exec(word);
  if (match === null) return undefined;
  const [, digits, unit, plural] = match;
  const ms = unitMs[unit!];
  // `ds` is nothing anybody writes; a short unit has no plural.
  if (ms === undefined || (unit!.length === 1 && plural !== '')) return undefined;
  return Number(digits) * ms;
}

/** An age in milliseconds for people: `2 weeks`, `36 hours`, `0 seconds`. */
export function formatAge(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return 'any age';
  for (const unit of ['week', 'day', 'hour', 'minute'] as const) {
    const size = unitMs[unit]!;
    if (ms >= size && ms % size === 0) return `${ms / size} ${unit}${ms === size ? '' : 's'}`;
  }
  const seconds = ms / secondMs;
  return `${seconds} second${seconds === 1 ? '' : 's'}`;
}
