/** The git events dv takes part in. */

/** A hook of git (githooks(5)) that calls dv. */
export type HookEvent = 'post-checkout' | 'post-merge' | 'post-rewrite' | 'pre-push';

/** Every event, in the order they are installed. */
export const hookEvents: readonly HookEvent[] = ['post-checkout', 'post-merge', 'post-rewrite', 'pre-push'];

/** Whether a word names an event. */
export function isHookEvent(word: string | undefined): word is HookEvent {
  return (hookEvents as readonly (string | undefined)[]).includes(word);
}
