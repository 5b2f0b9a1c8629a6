/**
 * A text from a repository as it is shown in a message: in double quotes, at most `most` characters of it, with
 * control characters, C1 controls and direction marks escaped, so that it can neither flood nor fool a terminal.
 */
export function quote(text: string, most = 120): string {
  const shown = text.length > most ? `${text.slice(0, most)}…` : text;
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
