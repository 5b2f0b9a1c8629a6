/** Starts the servers before the tests of this folder, on free loopback ports, and ends them afterwards. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startGcsShim } from './gcs-shim.ts';
import { installFakeGcs, installSeaweed, NotInstalled } from './install.ts';
import { freePorts, launch, untilUp } from './launch.ts';
import { printRows } from './rows.ts';
import { runVersitygw } from './versitygw.ts';

/** A server the tests can talk to, or why there is none. */
export type Started<Address> = Address | { readonly missing: string };

/** A server that speaks S3. */
export interface S3Server {
  readonly endpoint: string;
  /** Somebody who may do everything. */
  readonly owner: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Somebody who may only read, and somebody who may read and write, but not list; of versitygw, who are nobody. */
  readonly reader: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly blind: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** fake-gcs-server behind the shim. */
export interface GcsServer {
  readonly endpoint: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    seaweedfs: Started<S3Server>;
    versitygw: Started<S3Server>;
    gcs: Started<GcsServer>;
    /** Where each test notes how it ended. */
    rowsFile: string;
  }
}

const owner = { accessKeyId: 'dvowner', secretAccessKey: 'dvownersecret' };
const blind = { accessKeyId: 'dvblind', secretAccessKey: 'dvblindsecret' };
const reader = { accessKeyId: 'dvreader', secretAccessKey: 'dvreadersecret' };

const endings: (() => Promise<void> | void)[] = [];

async function startSeaweed(folder: string): Promise<S3Server> {
  const program = installSeaweed();
  const [s3, s3Grpc, master, masterGrpc, volume, volumeGrpc, filer, filerGrpc] = await freePorts(8);
  mkdirSync(join(folder, 'volumes'));
  const identities = [
    { name: 'owner', credentials: [keys(owner)], actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] },
    { name: 'reader', credentials: [keys(reader)], actions: ['Read', 'List'] },
    { name: 'blind', credentials: [keys(blind)], actions: ['Read', 'Write'] },
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
    // Each bucket takes several volumes, and only so many of this size fit on the disk.
    '-master.volumeSizeLimitMB=64',
    '-volume.max=0',
    '-volume.minFreeSpace=1GiB',
  ]);
  // It takes half a minute to end by itself; its data are thrown away.
  endings.push(() => void child.kill('SIGKILL'));
  const endpoint = `http://127.0.0.1:${s3}`;
  await untilUp(`${endpoint}/healthz`, child, output);
  return { endpoint, owner, reader, blind };
}

const keys = ({ accessKeyId, secretAccessKey }: typeof owner) => ({
  accessKey: accessKeyId,
  secretKey: secretAccessKey,
});

async function startVersitygw(folder: string): Promise<S3Server> {
  const started = await runVersitygw(folder);
  endings.push(async () => started[Symbol.asyncDispose]());
  return { endpoint: started.endpoint, owner: started.credentials, reader, blind };
}

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
      notRun.set(name, error.message);
      return { missing: error.message };
    }
  };
  const rowsFile = join(folder, 'rows');
  writeFileSync(rowsFile, '');
  const notRun = new Map<string, string>();
  for (const [name, variable] of [
    ['Amazon S3', 'DV_TEST_S3_URL'],
    ['Google', 'DV_TEST_GS_URL'],
  ] as const) {
    if (process.env[variable] === undefined) notRun.set(name, `${variable} is not set`);
  }
  const end = async () => {
    printRows(rowsFile, notRun);
    for (const ending of endings.splice(0).reverse()) await ending();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    provide('rowsFile', rowsFile);
    provide('seaweedfs', await attempt('seaweedfs', startSeaweed));
    provide('versitygw', await attempt('versitygw', startVersitygw));
    provide('gcs', await attempt('gcs', startFakeGcs));
  } catch (error) {
    await end();
    throw error;
  }
  return end;
}
