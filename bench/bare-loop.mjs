// The least that the same bytes can cost with the same client library: whole objects of 32 MiB, a few at a time.
//   node bench/bare-loop.mjs push|pull FOLDER ENDPOINT BUCKET PREFIX
// pull reads what push wrote into memory and drops it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const [action, folder, endpoint, Bucket, prefix] = process.argv.slice(2);
const objectBytes = 32 << 20;
const atOnce = 4;
const client = new S3Client({
  endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
});

/** All bytes of the folder's files, cut into objects. */
function* objects() {
  let waiting = [];
  let length = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const bytes = readFileSync(join(entry.parentPath, entry.name));
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + objectBytes - length);
      waiting.push(part);
      length += part.length;
      at += part.length;
      if (length < objectBytes) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      length = 0;
    }
  }
  if (length > 0) yield Buffer.concat(waiting);
}

async function inParallel(items, work) {
  const iterator = items[Symbol.iterator]();
  let number = 0;
  const lane = async () => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value, number++);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

if (action === 'push') {
  await inParallel(objects(), (Body, i) =>
    client.send(new PutObjectCommand({ Bucket, Key: `${prefix}/${i}`, Body })),
  );
} else {
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${prefix}/` }));
  await inParallel(Contents, async ({ Key }) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    for await (const _ of Body);
  });
}
