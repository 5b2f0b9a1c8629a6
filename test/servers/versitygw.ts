/** versitygw: an S3 server over a folder. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { installVersitygw } from './install.ts';
import { freePorts, launch, untilUp } from './launch.ts';

/** A running versitygw; disposing of it ends it. */
export interface Versitygw extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Starts one that keeps its data in a folder. @throws {NotInstalled} */
export async function runVersitygw(folder: string): Promise<Versitygw> {
  const program = installVersitygw();
  const credentials = { accessKeyId: 'dvowner', secretAccessKey: 'dvownersecret' };
  const [port] = await freePorts(1);
  for (const name of ['data', 'versions']) mkdirSync(join(folder, name));
  const address = `127.0.0.1:${port}`;
  const where = ['posix', '--versioning-dir', join(folder, 'versions'), join(folder, 'data')];
  const { child, output } = launch(
    program,
    ['--port', address, '--quiet', '--keep-alive', '--health', '/health', ...where],
    { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
  );
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  try {
    await untilUp(`http://${address}/health`, child, output);
  } catch (error) {
    await end();
    throw error;
  }
  return { endpoint: `http://${address}`, region: 'us-east-1', credentials, [Symbol.asyncDispose]: end };
}
