// A process of its own between a tool and a server: adds latency, and counts requests and bytes, as they are on the
// wire and not as a tool tells them.
//   node bench/wire-proxy.mjs HOST PORT LATENCY_MS
// Prints the port it listens on. GET /counts of the second port it prints gives the counts and sets them to zero.
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';

const [host, port, latency] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
let counts = { requests: 0, sentBytes: 0, receivedBytes: 0 };

/** Finds where requests begin in what a client sends. */
class RequestCounter {
  #head = '';
  /** Bytes of a body still to come. */
  #body = 0;
  /** In a body of chunks: its line of the next chunk's length, so far. */
  #chunk;

  add(piece) {
    for (let at = 0; at < piece.length; ) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, piece.length - at);
        this.#body -= skipped;
        at += skipped;
      } else if (this.#chunk !== undefined) {
        this.#chunk += String.fromCharCode(piece[at++]);
        const line = /^(?:\r\n)?([0-9a-fA-F]+)[^\r\n]*\r\n$/.exec(this.#chunk);
        if (line === null) continue;
        const length = Number.parseInt(line[1], 16);
        if (length > 0) {
          this.#body = length;
          this.#chunk = '';
        } else {
          // Trailers end as a head does.
          this.#chunk = undefined;
          this.#head = 'trailers\r\n';
        }
      } else {
        // A head is short: byte by byte is quick enough, and ends where the body begins.
        this.#head += String.fromCharCode(piece[at++]);
        if (this.#head.endsWith('\r\n\r\n')) this.#endHead();
      }
    }
  }

  #endHead() {
    const head = this.#head;
    this.#head = '';
    if (head.startsWith('trailers')) return;
    counts.requests++;
    if (/^transfer-encoding:.*chunked/im.test(head)) this.#chunk = '';
    else this.#body = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  }
}

/** Passes bytes on after a while, in order, and holds the sender back when too many are on their way. */
function delayed(from, to, delayMs) {
  const waiting = [];
  let bytes = 0;
  let isWaiting = false;
  const pass = () => {
    isWaiting = false;
    while (waiting.length > 0 && waiting[0].due <= performance.now()) {
      const { piece } = waiting.shift();
      if (piece === undefined) to.end();
      else {
        bytes -= piece.length;
        to.write(piece);
      }
    }
    if (bytes < 32 << 20 && to.writableLength < 32 << 20) from.resume();
    if (waiting.length > 0) wait(waiting[0].due - performance.now());
  };
  const wait = (ms) => {
    if (!isWaiting) setTimeout(pass, Math.max(0, ms));
    isWaiting = true;
  };
  const add = (piece) => {
    waiting.push({ due: performance.now() + delayMs, piece });
    bytes += piece?.length ?? 0;
    if (bytes >= 64 << 20 || to.writableLength >= 64 << 20) from.pause();
    wait(delayMs);
  };
  from.on('data', add);
  from.on('end', () => add(undefined));
  to.on('drain', () => from.resume());
}

const proxy = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const server = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const counter = new RequestCounter();
  client.on('data', (piece) => {
    counts.sentBytes += piece.length;
    counter.add(piece);
  });
  server.on('data', (piece) => {
    counts.receivedBytes += piece.length;
  });
  if (latency > 0) delayed(client, server, latency);
  else client.pipe(server);
  server.pipe(client);
  const end = () => {
    client.destroy();
    server.destroy();
  };
  client.on('error', end);
  server.on('error', end);
});
const control = createHttpServer((_, answer) => {
  answer.writeHead(200, { connection: 'close' }).end(JSON.stringify(counts));
  counts = { requests: 0, sentBytes: 0, receivedBytes: 0 };
});
proxy.listen(0, '127.0.0.1', () =>
  control.listen(0, '127.0.0.1', () => console.log(`${proxy.address().port} ${control.address().port}`)),
);
