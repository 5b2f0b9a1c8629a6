/** What git calls dv for: its hooks, and programs for single files. */

/** A hook of git (githooks(5)) that calls dv. */
export type HookEvent =
  | 'post-checkout'
  | 'post-merge'
  | 'post-rewrite'
  | 'post-index-change'
  | 'pre-commit'
  | 'pre-push';

/** Every event, in the order they are installed. */
export const hookEvents: readonly HookEvent[] = [
  'post-checkout',
  'post-merge',
  'post-rewrite',
  'post-index-change',
  'pre-commit',
  'pre-push',
];

/** Whether a word names an event. */
export function isHookEvent(word: string | undefined): word is HookEvent {
  return (hookEvents as readonly (string | undefined)[]).includes(word);
}

/** A program git calls for one file (gitattributes(5)): `dv hook <name> …`. */
export type DriverName = 'merge-pointer' | 'merge-lock' | 'merge-ignore' | 'textconv';

/** Every driver. */
const driverNames: readonly DriverName[] = ['merge-pointer', 'merge-lock', 'merge-ignore', 'textconv'];

/** Whether a word names a driver. */
export function isDriverName(word: string | undefined): word is DriverName {
  return (driverNames as readonly (string | undefined)[]).includes(word);
}
