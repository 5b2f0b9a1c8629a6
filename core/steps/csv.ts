/**
 * One line of a CSV file, with its end (RFC 4180: fields with a comma, quote or line end are quoted, quotes
 * doubled, lines end in CR LF).
 */
export function csvLine(fields: readonly (string | number)[]): string {
  const quoted = fields.map((field) => {
    const text = String(field);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${quoted.join(',')}\r\n`;
}
