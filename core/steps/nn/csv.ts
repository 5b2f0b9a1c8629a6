/** Text as comma-separated values. Source: RFC 4180, with line feeds alone between the lines. */

/** One value, in quotes where it has to be. */
function field(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Lines of values, each line ended. */
export function toCsv(lines: readonly (readonly (string | number)[])[]): string {
  return lines.map((line) => `${line.map(field).join(',')}\n`).join('');
}

/** A number with six decimals: enough to see a change of one image in a million, and the same text everywhere. */
export function decimals(value: number): string {
  return value.toFixed(6);
}
