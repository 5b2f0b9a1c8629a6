/** Makes text from a repository safe to show on a terminal. */

// Whole control sequences go (ECMA-48 CSI; OSC, DCS, APC, PM, SOS strings up to their end), not only their first byte.
const sequences =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;
// What is left of C0, DEL and C1 but tab and newline, line separators, and what reorders text (Unicode UAX #9).
const controls =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

/**
 * Takes escape sequences out of a text and shows other control and bidirectional characters as `�`, so that
 * no file name, branch or message can move the cursor, change the title or reorder a line. Newlines and tabs stay.
 */
export function clean(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(sequences, '').replace(controls, '\ufffd');
}
