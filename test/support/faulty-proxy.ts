/** A loopback HTTP proxy in front of a real server, that can cut, stall, refuse and alter what passes. */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to a request. */
export type FaultAction =
  /** It is answered with this status and never reaches the server. */
  | { readonly status: number; readonly body?: string }
  /** The connection is cut after so many bytes of the answer's body. */
  | { readonly cutResponseAfter: number }
  /** Nothing comes after so many bytes of the answer's body, and the connection stays open. */
  | { readonly stallResponseAfter: number }
  /** The connection is cut after so many bytes of the request's body. */
  | { readonly cutRequestAfter: number }
  /** The server gets the request, and its answer is lost. */
  | { readonly loseResponse: true }
  /** One bit of this byte of the answer's body is turned over. */
  | { readonly flipResponseAt: number }
  /** One bit of this byte of the request's body is turned over. */
  | { readonly flipRequestAt: number }
  /** The server gets the request twice, one after the other; the second answer is given. */
  | { readonly twice: true }
  /** The request is taken and never answered. */
  | { readonly neverAnswer: true };

/** Which requests a fault is for. */
export interface Fault {
  readonly method?: string;
  readonly path?: RegExp;
  /** How many fitting requests pass unharmed before; counted down. */
  skip?: number;
  /** How often it still happens; counted down. */
  times: number;
  readonly action: FaultAction;
}

/** A running proxy. */
export interface FaultyProxy extends AsyncDisposable {
  readonly url: string;
  /** Looked at for every request; the first that fits happens. */
  faults: Fault[];
  /** What has passed, in order. */
  readonly requests: { method: string; path: string }[];
}

/** Starts a proxy before a server. The `Host` header passes as it is, since S3's signatures cover it. */
export async function faultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  const requests: { method: string; path: string }[] = [];

  const send = (incoming: IncomingMessage, body: Buffer, onAnswer: (answer: IncomingMessage) => void) => {
    const { method, url: path, headers } = incoming;
    request({ hostname, port, agent, method, path, headers, setHost: false }, onAnswer).end(body);
  };

  const handle = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const method = incoming.method ?? '';
    const path = incoming.url ?? '';
    requests.push({ method, path });
    const fitting = proxy.faults.find(
      (each) =>
        each.times > 0 &&
        (each.method === undefined || each.method === method) &&
        (each.path === undefined || each.path.test(path)),
    );
    const spared = fitting?.skip !== undefined && fitting.skip > 0;
    if (spared) fitting.skip!--;
    const fault = spared ? undefined : fitting;
    if (fault !== undefined) fault.times--;
    const action = fault?.action;
    if (action !== undefined && 'neverAnswer' in action) {
      incoming.resume();
      return;
    }
    if (action !== undefined && ('twice' in action || 'flipRequestAt' in action)) {
      void collect(incoming).then(async (body) => {
        if ('twice' in action)
          await new Promise<void>((done) => send(incoming, body, (a) => a.resume().on('end', done)));
        else body[action.flipRequestAt] = body[action.flipRequestAt]! ^ 1;
        send(incoming, body, (answer) => forwardAnswer(answer, outgoing, undefined));
      });
      return;
    }
    if (action !== undefined && 'status' in action) {
      incoming.resume();
      incoming.on('end', () =>
        outgoing.writeHead(action.status, { 'content-type': 'application/xml' }).end(action.body),
      );
      return;
    }
    if (action !== undefined && 'cutRequestAfter' in action) {
      let got = 0;
      incoming.on('data', (piece: Buffer) => {
        got += piece.length;
        if (got >= action.cutRequestAfter) incoming.destroy();
      });
      return;
    }
    const forwarded = request(
      { hostname, port, agent, method, path, headers: incoming.headers, setHost: false },
      (answer) => forwardAnswer(answer, outgoing, action),
    );
    forwarded.on('error', () => outgoing.destroy());
    incoming.on('error', () => forwarded.destroy());
    incoming.pipe(forwarded);
  };

  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults: [],
    requests,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

async function collect(incoming: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function forwardAnswer(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  action: FaultAction | undefined,
): void {
  if (action !== undefined && 'loseResponse' in action) {
    answer.resume();
    answer.on('end', () => outgoing.destroy());
    return;
  }
  outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  if (action === undefined) {
    answer.on('error', () => outgoing.destroy());
    answer.pipe(outgoing);
    return;
  }
  const limit =
    'cutResponseAfter' in action
      ? action.cutResponseAfter
      : 'stallResponseAfter' in action
        ? action.stallResponseAfter
        : Infinity;
  let sent = 0;
  answer.on('data', (piece: Buffer) => {
    if (sent >= limit) return;
    const part = Buffer.from(piece.subarray(0, limit - sent));
    const at = 'flipResponseAt' in action ? action.flipResponseAt - sent : -1;
    if (at >= 0 && at < part.length) part[at] = part[at]! ^ 1;
    sent += part.length;
    outgoing.write(part, () => {
      if (sent >= limit && 'cutResponseAfter' in action) outgoing.destroy();
    });
  });
  answer.on('end', () => {
    if (sent < limit) outgoing.end();
  });
}
