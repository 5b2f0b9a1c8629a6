/** Loaded with NODE_OPTIONS=--require: writes the peak of a process' memory, in KiB, into the file DV_TEST_PEAK names. */
const { isMainThread } = require('node:worker_threads');
const { writeFileSync } = require('node:fs');
if (isMainThread && process.env.DV_TEST_PEAK)
  process.on('exit', () => writeFileSync(process.env.DV_TEST_PEAK, String(process.resourceUsage().maxRSS)));
