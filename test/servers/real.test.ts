/**
 * The contract against the clouds themselves, where the environment names a place that tests may write to:
 *   DV_TEST_S3_URL=s3://bucket/folder, DV_TEST_GS_URL=gs://bucket/folder
 * with credentials as the cloud's own tools have them. Everything is written below a new folder and removed again.
 */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { fetch } from '../../core/ops/fetch.ts';
import { push } from '../../core/ops/push.ts';
import type { Remote } from '../../core/store/remote.ts';
import { parseBucketUrl } from '../../remotes/address.ts';
import { openGcsRemote } from '../../remotes/gcs.ts';
import { openS3Remote } from '../../remotes/s3.ts';
import { remoteContract } from '../remotes/contract.ts';
import { cloneOf, dataRepo, noise } from '../support/data-world.ts';

const clouds = [
  { name: 'Amazon S3', variable: 'DV_TEST_S3_URL', open: openS3Remote },
  { name: 'Google Cloud Storage', variable: 'DV_TEST_GS_URL', open: openGcsRemote },
] as const;

async function empty(remote: Remote): Promise<void> {
  for await (const { key } of remote.list('')) await remote.delete(key);
  await remote.close();
}

for (const { name, variable, open } of clouds) {
  const named = process.env[variable];
  if (named === undefined) {
    test.skip(`${name}: not run, ${variable} is not set`, () => {});
    continue;
  }
  const newPlace = () => {
    const url = `${named.replace(/\/$/, '')}/${randomBytes(8).toString('hex')}`;
    return () => open(parseBucketUrl(url), { url });
  };

  remoteContract(
    name,
    () => {
      const place = newPlace();
      return { open: place, close: () => empty(place()) };
    },
    { listedKeys: 1100, largeBytes: 20 << 20 },
  );

  test(`${name}: what is pushed comes back, again is one request`, async () => {
    const files = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`data/${i}.png`, noise(i, 3000)]),
    );
    await using world = await dataRepo({ ...files, 'big.bin': noise('big', 20 << 20) }, ['data', 'big.bin']);
    const remote = newPlace()();
    try {
      expect(await push(world.open(), remote)).toMatchObject({ files: 101 });
      expect(await push(world.open(), remote)).toMatchObject({ requests: 1, upToDate: true });
      expect(await fetch(cloneOf(world), remote)).toMatchObject({ files: 101, failures: [] });
    } finally {
      await empty(remote);
    }
  });
}
