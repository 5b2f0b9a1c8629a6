// npm run bench -- NAME [options]: timings, by hand, on a quiet machine.
const benches = {
  data: 'add, status, switch and restore many files with dv, git, git-lfs and DVC (docs/benchmarks.md)',
  pointers: 'add, status and git checkout with 2,000 single files (docs/benchmarks.md)',
  remote: 'push and pull to S3 with dv, DVC, rclone and a bare loop, requests counted (docs/benchmarks.md)',
  train: 'images per second of one training step, per number of threads',
};

const [name, ...options] = process.argv.slice(2);
if (name !== undefined && Object.hasOwn(benches, name)) {
  // Each bench reads its options from where they would stand if it had been started by itself.
  process.argv.splice(2, process.argv.length, ...options);
  await import(`./${name}.mjs`);
} else {
  if (name !== undefined) console.error(`no bench is called ${name}`);
  console.log('npm run bench -- NAME [options]');
  for (const [known, summary] of Object.entries(benches)) console.log(`  ${known.padEnd(8)}${summary}`);
  process.exitCode = name === undefined ? 0 : 2;
}
