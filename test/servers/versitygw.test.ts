import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { push } from '../../core/ops/push.ts';
import { openS3Remote } from '../../remotes/s3.ts';
import { dataRepo, keysOf, noise } from '../support/data-world.ts';
import { canMountSmallDisk, smallDisk } from '../support/small-disk.ts';
import { s3Suite } from './s3-suite.ts';
import { runVersitygw } from './versitygw.ts';

const server = inject('versitygw');

if ('missing' in server) test.skip(`S3 against versitygw: not run, ${server.missing}`, () => {});
else {
  s3Suite('versitygw', server, { permissions: false, clock: false, bodyHash: true });

  test.skipIf(!canMountSmallDisk())(
    'a full disk on the server is named, and what has arrived is kept',
    async () => {
      using disk = smallDisk(48 << 10);
      await using small = await runVersitygw(disk!.path);
      const client = new S3Client({ ...small, forcePathStyle: true });
      await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
      const files = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`data/${i}`, noise(i, 4 << 20)]));
      await using world = await dataRepo(files(20), ['data']);
      const remote = openS3Remote({ bucket: 'bucket', prefix: '' }, { url: 's3://bucket', ...small });
      await expect(push(world.open(), remote)).rejects.toMatchObject({ code: 'remote-full' });
      expect((await keysOf(remote)).filter((key) => /^(idx|roots)/.test(key))).toEqual([]);
      await remote.close();
    },
  );
}
