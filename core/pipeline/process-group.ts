/** Process groups: whether one is alive, ending it, telling it from a later one with the same number. */
import { readdirSync, readFileSync } from 'node:fs';
import { systemCode } from '../errors.ts';

/** Whether the system has process groups; Windows has none. */
export const hasGroups = process.platform !== 'win32';

/** Sends a signal to a group; that it is gone already is as good. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    // macOS answers EPERM for a group of which only dead processes are left.
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error;
  }
}

/** State, group and start of a process, from proc(5) `stat`; undefined without such a process or file system. */
function readStat(pid: number | string): { state: string; group: number; start: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name in brackets, may hold spaces and brackets itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, group: Number(fields[2]), start: fields[19]! };
  } catch {
    return undefined;
  }
}

/** When a process started, in clock ticks since the machine did; undefined where the system does not tell. */
export function startOfProcess(pid: number): string | undefined {
  return readStat(pid)?.start;
}

/** Whether a group has a process that can still do something. */
export function isGroupAlive(group: number): boolean {
  if (!hasGroups) return false;
  try {
    process.kill(-group, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
  // Dead processes that nobody has asked about count as members: in a container without an init, for ever.
  if (process.platform !== 'linux') return true;
  return readdirSync('/proc').some((name) => {
    if (!/^[0-9]+$/.test(name)) return false;
    const stat = readStat(name);
    return stat?.group === group && stat.state !== 'Z' && stat.state !== 'X';
  });
}

/** Waits until a group is gone. @returns whether it is */
export async function waitForGroup(
  group: number,
  patienceMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const giveUpAt = performance.now() + patienceMs;
  for (let waitMs = 2; isGroupAlive(group); waitMs = Math.min(50, waitMs * 2)) {
    if (performance.now() >= giveUpAt) return false;
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return true;
}
