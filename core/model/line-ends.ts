/** Line ends as git may have made them in a workspace. What is in git itself has LF alone. */

/**
 * A text with LF where every line ends in CR LF, as `core.autocrlf` leaves it in a clone without dv's attributes; any
 * other text as it is, and as strictly read as ever.
 */
export function withUnixLineEnds(text: string): string {
  if (!text.includes('\r\n') || /(?:^|[^\r])\n|\r(?!\n)/.test(text)) return text;
  return text.replaceAll('\r\n', '\n');
}
