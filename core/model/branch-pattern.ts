/** Patterns of `git branch --list`. */
import { DvError } from '../errors.ts';

/** A predicate for branch names from a pattern of `git branch --list`. */
export function branchMatcher(glob: string): (name: string) => boolean {
  const source = glob.replace(/\[!?[^\]]+\]|\*+|[\s\S]/g, (part) => {
    if (part.startsWith('*')) return '.*';
    if (part === '?') return '.';
    if (part.length > 1) {
      const negated = part.startsWith('[!');
      return `[${negated ? '^' : ''}${part.slice(negated ? 2 : 1, -1).replace(/[\\^[]/g, '\\$&')}]`;
    }
    return part.replace(/[\\^$.+(){}|[\]/]/g, '\\$&');
  });
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^(?:${source})$`, 'su');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new DvError('usage', { message: `${JSON.stringify(glob)} is no pattern for branch names` });
  }
  return (name) => pattern.test(name);
}
