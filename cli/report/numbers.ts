/** Numbers as people read them: one precision per row, signs, percent, ages. */

/** How a row's numbers are written. */
export interface NumberFormat {
  /** Digits after the point. */
  readonly decimals: number;
  /** Written with an exponent, because the numbers are very large or very small. */
  readonly exponent: boolean;
}

/** Significant digits a number is shown with, unless more are needed to tell two apart. */
const significant = 4;
const mostDecimals = 9;

function shortestDecimals(value: number): number {
  const text = String(value);
  if (text.includes('e')) return mostDecimals;
  const point = text.indexOf('.');
  return point === -1 ? 0 : text.length - point - 1;
}

/**
 * The precision for the numbers of one row: four digits of the largest, below ten four behind the point; more
 * only when all would look equal though they are not, and no more than any of them has.
 */
export function formatFor(values: readonly unknown[]): NumberFormat {
  const numbers = values.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  const largest = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest >= 1e12 || (largest > 0 && largest < 1e-5))
    return { decimals: significant - 1, exponent: true };
  const written = numbers.reduce((most, value) => Math.max(most, shortestDecimals(value)), 0);
  const magnitude = largest === 0 ? 0 : Math.floor(Math.log10(largest));
  const most = Math.min(written, mostDecimals);
  // Scores and losses around one keep four digits behind the point, whichever side of one they are on.
  const usual = Math.max(0, significant - 1 - magnitude, largest < 10 ? significant : 0);
  let decimals = Math.min(most, usual);
  const shown = () => new Set(numbers.map((value) => value.toFixed(decimals))).size;
  while (decimals < most && shown() === 1 && new Set(numbers).size > 1) decimals++;
  return { decimals, exponent: false };
}

const grouped = (text: string) => {
  const point = text.indexOf('.');
  const whole = point === -1 ? text : text.slice(0, point);
  if (whole.length < 5) return text;
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (point === -1 ? '' : text.slice(point));
};

/** A number in its row's format, with thousands grouped from 10,000 on. */
export function formatNumber(value: number, { decimals, exponent }: NumberFormat): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '-∞';
  if (value === 0 && exponent) return '0';
  return exponent ? value.toExponential(decimals) : grouped(value.toFixed(decimals));
}

/** A difference with its arrow: `▲0.0221`. Smaller than the row's precision: `▲<0.0001`. */
export function formatDelta(difference: number, format: NumberFormat): string {
  const arrow = difference > 0 ? '▲' : '▼';
  const size = Math.abs(difference);
  const text = formatNumber(size, format);
  if (!format.exponent && Number(size.toFixed(format.decimals)) === 0) {
    return `${arrow}<${(10 ** -format.decimals).toFixed(format.decimals)}`;
  }
  return arrow + text;
}

/** A ratio as signed percent: `+2.4%`. */
export function formatPercent(ratio: number): string {
  const percent = ratio * 100;
  const size = Math.abs(percent);
  const text = size >= 1000 ? size.toExponential(1) : size.toFixed(size >= 100 ? 0 : 1);
  return `${percent < 0 ? '-' : '+'}${text}%`;
}

const steps = [
  ['year', 'y', 31_557_600],
  ['month', 'mo', 2_629_800],
  ['week', 'w', 604_800],
  ['day', 'd', 86_400],
  ['hour', 'h', 3_600],
  ['minute', 'm', 60],
] as const;

/** How long ago a moment was: `5 hours` or short `5h`, `2 days`, `now`. A moment in the future is `now`. */
export function formatAge(date: string, now: Date, form: 'long' | 'short' = 'long'): string {
  const seconds = (now.getTime() - new Date(date).getTime()) / 1000;
  for (const [name, letter, size] of steps) {
    const count = Math.floor(seconds / size);
    if (count < 1) continue;
    return form === 'short' ? `${count}${letter}` : `${count} ${name}${count === 1 ? '' : 's'}`;
  }
  return 'now';
}
