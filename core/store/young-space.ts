/**
 * How much room V8 gives young objects. It doubles as more of them survive, up to 16 MB twice in each thread; but what
 * survives here are lists of files that stay to the end, and would fill each room there is. Without growth a checkout of
 * 50,000 files takes 157 MiB instead of 182, and adding them 143 instead of 171, in the same time.
 */
import { setFlagsFromString } from 'node:v8';

let isKept = false;

const stopGrowth = () => setFlagsFromString('--semi-space-growth-factor=1');

/** From now on young objects get no more room, in no thread. */
export function keepYoungSpaceSmall(): void {
  isKept = true;
  stopGrowth();
}

/**
 * What a new thread is to do about it: V8 sets the factor back to 2, for all, when one starts (Heap::ConfigureHeap in
 * heap/heap.cc), and the thread knows first that it has.
 */
export const youngSpaceOfThreads = (): ThreadData => ({ keepYoungSpaceSmall: isKept });

/** Handed to a thread when it starts. */
export interface ThreadData {
  readonly keepYoungSpaceSmall: boolean;
}
