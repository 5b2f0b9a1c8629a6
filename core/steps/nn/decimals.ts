/** A number with six decimals: enough to see a change of one image in a million, and the same text everywhere. */
export function decimals(value: number): string {
  return value.toFixed(6);
}
