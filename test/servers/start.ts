/** Starts the servers before the tests of this folder, on free loopback ports, and ends them afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestProject } from 'vitest/node';
import { startGcsShim } from './gcs-shim.ts';
import { installFakeGcs, installSeaweed, NotInstalled } from './install.ts';

/** A server the tests can talk to, or why there is none. */
export type Started<Address> = Address | { readonly missing: string };

/** SeaweedFS, with somebody who may do everything and somebody who may only read. */
export interface S3Server {
  readonly endpoint: string;
  readonly owner: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly reader: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** fake-gcs-server behind the shim. */
export interface GcsServer {
  readonly endpoint: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    s3: Started<S3Server>;
    gcs: Started<GcsServer>;
  }
}

const owner = { accessKeyId: 'dvowner', secretAccessKey: 'dvownersecret' };
const reader = { accessKeyId: 'dvreader', secretAccessKey: 'dvreadersecret' };

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer().on('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Waits until a server answers. */
async function untilUp(url: string, child: ChildProcess, output: string[]): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (child.exitCode !== null) throw new Error(`the server ended: ${output.join('').slice(-1000)}`);
    if ((await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined))?.ok) return;
    await sleep(100);
  }
  throw new Error(`the server did not start: ${output.join('').slice(-1000)}`);
}

function launch(program: string, args: readonly string[]): { child: ChildProcess; output: string[] } {
  const output: string[] = [];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      output.push(text.toString());
      if (output.length > 50) output.shift();
    });
  }
  return { child, output };
}

const endings: (() => Promise<void> | void)[] = [];

async function startSeaweed(folder: string): Promise<S3Server> {
  const program = installSeaweed();
  const [s3, s3Grpc, master, masterGrpc, volume, volumeGrpc, filer, filerGrpc] = await freePorts(8);
  mkdirSync(join(folder, 'volumes'));
  const identities = [
    { name: 'owner', credentials: [keys(owner)], actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] },
    { name: 'reader', credentials: [keys(reader)], actions: ['Read', 'List'] },
  ];
  writeFileSync(join(folder, 's3.json'), JSON.stringify({ identities }));
  const { child, output } = launch(program, [
    'server',
    `-dir=${join(folder, 'volumes')}`,
    '-ip=127.0.0.1',
    '-ip.bind=127.0.0.1',
    '-master.telemetry=false',
    `-master.port=${master}`,
    `-master.port.grpc=${masterGrpc}`,
    `-volume.port=${volume}`,
    `-volume.port.grpc=${volumeGrpc}`,
    '-filer=true',
    `-filer.port=${filer}`,
    `-filer.port.grpc=${filerGrpc}`,
    `-filer.localSocket=${join(folder, 'filer.sock')}`,
    '-s3=true',
    `-s3.port=${s3}`,
    `-s3.port.grpc=${s3Grpc}`,
    `-s3.localSocket=${join(folder, 's3.sock')}`,
    '-s3.port.iceberg=0',
    '-s3.port.lance=0',
    `-s3.config=${join(folder, 's3.json')}`,
    '-s3.autoCreateBucket=false',
    '-master.volumeSizeLimitMB=1024',
    '-volume.max=0',
    '-volume.minFreeSpace=1GiB',
  ]);
  // It takes half a minute to end by itself; its data are thrown away.
  endings.push(() => void child.kill('SIGKILL'));
  const endpoint = `http://127.0.0.1:${s3}`;
  await untilUp(`${endpoint}/healthz`, child, output);
  return { endpoint, owner, reader };
}

const keys = ({ accessKeyId, secretAccessKey }: typeof owner) => ({
  accessKey: accessKeyId,
  secretKey: secretAccessKey,
});

async function startFakeGcs(folder: string): Promise<GcsServer> {
  const program = installFakeGcs();
  const [port] = await freePorts(1);
  const bare = `http://127.0.0.1:${port}`;
  const { child, output } = launch(program, [
    '-scheme',
    'http',
    '-host',
    '127.0.0.1',
    '-port',
    String(port),
    '-backend',
    'memory',
    '-filesystem-root',
    folder,
    '-public-host',
    `127.0.0.1:${port}`,
    '-external-url',
    bare,
    '-log-level',
    'error',
  ]);
  endings.push(() => void child.kill('SIGKILL'));
  await untilUp(`${bare}/_internal/healthcheck`, child, output);
  const shim = await startGcsShim(bare);
  endings.push(() => shim.close());
  return { endpoint: shim.url };
}

/** Called by vitest once before all tests. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'dv-servers-'));
  const attempt = async <Address>(
    name: string,
    start: (folder: string) => Promise<Address>,
  ): Promise<Started<Address>> => {
    const own = join(folder, name);
    mkdirSync(own);
    try {
      return await start(own);
    } catch (error) {
      if (!(error instanceof NotInstalled)) throw error;
      return { missing: error.message };
    }
  };
  const end = async () => {
    for (const ending of endings.splice(0).reverse()) await ending();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    provide('s3', await attempt('s3', startSeaweed));
    provide('gcs', await attempt('gcs', startFakeGcs));
  } catch (error) {
    await end();
    throw error;
  }
  return end;
}
