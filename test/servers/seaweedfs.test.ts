import { inject, test } from 'vitest';
import { s3Suite } from './s3-suite.ts';

const server = inject('seaweedfs');

if ('missing' in server) test.skip(`S3 against SeaweedFS: not run, ${server.missing}`, () => {});
else s3Suite('SeaweedFS', server, { permissions: true, clock: true, bodyHash: false });
