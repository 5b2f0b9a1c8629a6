/** What is directly in a folder that may not be there. */
import { readdirSync } from 'node:fs';
import { systemCode } from '../errors.ts';

/** The names in a folder, in no order; none when there is no such folder. @param folder absolute. */
export function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
