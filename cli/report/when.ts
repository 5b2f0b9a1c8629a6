/** Moments for people. */

const twoDigits = (number: number) => String(number).padStart(2, '0');

/** A moment in the user's time zone, to the minute: `2026-11-20 14:03`. @param date ISO 8601 */
export function formatWhen(date: string): string {
  const at = new Date(date);
  const day = [at.getFullYear(), twoDigits(at.getMonth() + 1), twoDigits(at.getDate())].join('-');
  return `${day} ${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;
}
