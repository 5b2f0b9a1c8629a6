/** Profiles of AWS's shared files. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemCode } from '../core/errors.ts';

/** The shared files, as the environment says where. Source: AWS SDKs and Tools Reference Guide, "Location of the shared files". */
const sharedFiles = (env: NodeJS.ProcessEnv) => [
  env.AWS_CONFIG_FILE ?? join(homedir(), '.aws', 'config'),
  env.AWS_SHARED_CREDENTIALS_FILE ?? join(homedir(), '.aws', 'credentials'),
];

/**
 * Refuses a profile that nobody wrote. Without this the client goes on to whatever else gives credentials, an instance's
 * role say, and works with somebody else's rights.
 * @throws {Error} named NoSuchProfile, with what was looked for where.
 */
export function requireProfile(name: string, env: NodeJS.ProcessEnv): void {
  const files = sharedFiles(env);
  const header = /^\s*\[\s*(?:profile\s+)?["']?([^\]"']+?)["']?\s*\]/;
  const has = (file: string) =>
    readIfReadable(file)
      .split('\n')
      .some((line) => header.exec(line)?.[1] === name);
  if (files.some(has)) return;
  throw Object.assign(new Error(`profile ${name} is neither in ${files.join(' nor in ')}`), {
    name: 'NoSuchProfile',
  });
}

/** A file's text; none when it is not there, or not ours to read, as for the client itself. */
function readIfReadable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return '';
  }
}
