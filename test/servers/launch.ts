/** Starting servers as child processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Loopback ports nobody uses at this moment. */
export async function freePorts(count: number): Promise<number[]> {
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
export async function untilUp(url: string, child: ChildProcess, output: string[]): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (child.exitCode !== null) throw new Error(`the server ended: ${output.join('').slice(-1000)}`);
    if ((await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined))?.ok) return;
    await sleep(100);
  }
  throw new Error(`the server did not start: ${output.join('').slice(-1000)}`);
}

/** Starts a program and keeps the last of what it says. */
export function launch(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): { child: ChildProcess; output: string[] } {
  const output: string[] = [];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      output.push(text.toString());
      if (output.length > 50) output.shift();
    });
  }
  return { child, output };
}
