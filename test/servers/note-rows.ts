/** Notes how each test of a server ended; printed by rows.ts when all have. */
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterEach, inject } from 'vitest';
import type { Row } from './rows.ts';

afterEach(({ task }) => {
  const row: Row = {
    server: basename(task.file.name).replace(/\.test\.ts$/, ''),
    contract: task.suite?.name.startsWith('remote contract') ?? false,
    passed: task.result?.state !== 'fail',
  };
  appendFileSync(inject('rowsFile'), `${JSON.stringify(row)}\n`);
});
