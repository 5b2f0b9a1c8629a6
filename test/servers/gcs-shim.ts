/**
 * A loopback proxy that mends what fake-gcs-server v1.56 does unlike Google: asking a resumable upload how much
 * it holds ends the upload there, and `ifGenerationMatch` is not looked at on DELETE. Rows that need this test dv
 * against these rules, not against that server.
 * Source of the rules: cloud.google.com/storage/docs/performing-resumable-uploads, …/request-preconditions
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A running shim. */
export interface GcsShim {
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A resumable upload: how many bytes the server holds, and its last word once it has all. */
interface Session {
  held: number;
  done?: Answer;
}

/** Parts of a resumable upload are kept in multiples of this. */
const chunkUnit = 256 << 10;

const bodyOf = (message: IncomingMessage) =>
  new Promise<Buffer>((resolve, reject) => {
    const pieces: Buffer[] = [];
    message.on('data', (piece: Buffer) => pieces.push(piece));
    message.on('end', () => resolve(Buffer.concat(pieces)));
    message.on('error', reject);
    message.on('aborted', () => reject(new Error('aborted')));
  });

/** Starts the shim before a fake-gcs-server. */
export async function startGcsShim(upstream: string): Promise<GcsShim> {
  const { hostname, port, host } = new URL(upstream);
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  const sessions = new Map<string, Session>();
  /** The last work on a key or an upload: conditions hold only when nothing else comes between. */
  const queues = new Map<string, Promise<unknown>>();

  const oneByOne = <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
    const result = (queues.get(name) ?? Promise.resolve()).then(work, work);
    queues.set(
      name,
      result.catch(() => {}),
    );
    return result;
  };

  const ask = (method: string, path: string, headers: IncomingMessage['headers'], body?: Buffer) =>
    new Promise<Answer>((resolve, reject) => {
      const asked = request(
        { hostname, port, agent, method, path, headers: { ...headers, host } },
        (answer) => {
          bodyOf(answer).then(
            (bytes) => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: bytes }),
            reject,
          );
        },
      );
      asked.on('error', reject);
      asked.end(body);
    });

  const reply = (outgoing: ServerResponse, answer: Pick<Answer, 'status' | 'body'>) =>
    outgoing
      .writeHead(answer.status, { 'content-type': 'application/json', 'content-length': answer.body.length })
      .end(answer.body);

  const refuse = (outgoing: ServerResponse, status: number, message: string) =>
    reply(outgoing, { status, body: Buffer.from(JSON.stringify({ error: { code: status, message } })) });

  const forward = (incoming: IncomingMessage, outgoing: ServerResponse) =>
    new Promise<void>((resolve) => {
      const { host: asked, ...headers } = incoming.headers;
      const forwarded = request(
        { hostname, port, agent, method: incoming.method, path: incoming.url, headers: { ...headers, host } },
        (answer) => {
          const { location } = answer.headers;
          const id = location === undefined ? null : new URL(location).searchParams.get('upload_id');
          if (id !== null) sessions.set(id, { held: 0 });
          outgoing.writeHead(answer.statusCode ?? 502, {
            ...answer.headers,
            ...(location === undefined ? {} : { location: location.replace(upstream, `http://${asked}`) }),
          });
          answer.on('error', () => outgoing.destroy());
          answer.pipe(outgoing);
          outgoing.on('close', resolve);
        },
      );
      forwarded.on('error', () => outgoing.destroy());
      incoming.pipe(forwarded);
    });

  /** A PUT to an upload: a question how much is there, or the next part. */
  const upload = async (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    id: string,
    session: Session,
  ) => {
    const body = await bodyOf(incoming);
    const held = () =>
      outgoing
        .writeHead(308, {
          'content-length': 0,
          ...(session.held === 0 ? {} : { range: `bytes=0-${session.held - 1}` }),
        })
        .end();
    if (session.done !== undefined) return reply(outgoing, session.done);
    const range = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(incoming.headers['content-range'] ?? '');
    if (range === null) return refuse(outgoing, 400, 'no Content-Range');
    if (range[1] === undefined) return held();
    const start = Number(range[1]);
    if (start > session.held)
      return refuse(outgoing, 503, `holds ${session.held} bytes, the part begins at ${start}`);
    const total = range[3] === '*' ? undefined : Number(range[3]);
    let part = body.subarray(session.held - start);
    const isLast = total !== undefined && session.held + part.length >= total;
    if (!isLast) part = part.subarray(0, part.length - ((session.held + part.length) % chunkUnit));
    const end = session.held + part.length;
    const answer = await ask(
      'PUT',
      incoming.url ?? '',
      {
        'content-length': String(part.length),
        'content-range':
          part.length === 0 ? `bytes */${end}` : `bytes ${session.held}-${end - 1}/${isLast ? end : '*'}`,
      },
      part,
    );
    if (answer.status === 308) {
      session.held = end;
      return held();
    }
    if (answer.status < 300) {
      session.held = end;
      session.done = answer;
    } else sessions.delete(id);
    return reply(outgoing, answer);
  };

  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<unknown> => {
    const url = new URL(incoming.url ?? '/', upstream);
    const id = url.searchParams.get('upload_id');
    const session = id === null ? undefined : sessions.get(id);
    if (id !== null && session !== undefined) {
      if (incoming.method === 'PUT')
        return oneByOne(`upload ${id}`, () => upload(incoming, outgoing, id, session));
      if (incoming.method === 'DELETE') {
        sessions.delete(id);
        return outgoing.writeHead(499).end();
      }
    }
    const wanted = url.searchParams.get('ifGenerationMatch');
    if (incoming.method === 'DELETE' && wanted !== null) {
      return oneByOne(url.pathname, async () => {
        const there = await ask('GET', url.pathname, {});
        const generation =
          there.status === 200
            ? String((JSON.parse(there.body.toString()) as { generation: string }).generation)
            : undefined;
        if (generation !== undefined && generation !== wanted)
          return refuse(outgoing, 412, `generation is ${generation}`);
        return forward(incoming, outgoing);
      });
    }
    return forward(incoming, outgoing);
  };

  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
