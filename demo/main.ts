/**
 * `npm run demo`: the whole main job on real images, as a tutorial that runs. Three branches of one data set, each
 * reproduced, compared, pushed, cloned and checked. `--quick` uses less data and training.
 */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countChanges, type DigitPlan, fullSizes, planDigits, quickSizes } from './digits.ts';
import { type DemoTraining, paramsYaml, stagesYaml } from './pipeline.ts';
import { heading, Shell, say } from './tutorial.ts';
import { applyChanges, readDigits, writeScans } from './write-digits.ts';

const quick = process.argv.includes('--quick');
const sizes = quick ? quickSizes : fullSizes;
const training: DemoTraining = quick ? { epochs: 4, total: 600 } : { epochs: 6, total: 3000 };
const branches = ['data/v1-raw', 'data/v2-clean', 'data/v3-augmented'] as const;

/** A folder with `dv` and `git-dv` in it, as a global installation has. */
function linkBinaries(base: string): string {
  const folder = join(base, 'bin');
  mkdirSync(folder);
  const main = fileURLToPath(new URL('../bin/main.js', import.meta.url));
  chmodSync(main, 0o755);
  for (const name of ['dv', 'git-dv']) symlinkSync(main, join(folder, name));
  return folder;
}

/** Every file below folders of a workspace: path → SHA-256 of its bytes. */
function listBytes(root: string, folders: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (path: string) => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const below = `${path}/${entry.name}`;
      if (entry.isDirectory()) visit(below);
      else
        found.set(
          below,
          createHash('sha256')
            .update(readFileSync(join(root, below)))
            .digest('hex'),
        );
    }
  };
  folders.forEach(visit);
  return found;
}

async function firstVersion(shell: Shell, root: string, plan: DigitPlan): Promise<void> {
  heading('A repository, data in it, and a pipeline');
  await shell.run('git init --quiet --initial-branch=main .');
  await shell.output('git config user.name Demo && git config user.email demo@example.org');
  await shell.run('dv init');
  await shell.run('dv remote add storage ../storage');
  say(`data/train: ${plan.v1.length} scans of handwritten digits, collected in a hurry: few of some, some filed under
the wrong digit, some unreadable. data/test: ${plan.test.length} others, rightly filed; it stays the same throughout.`);
  const source = { digits: await readDigits(), seed: plan.seed };
  await writeScans(join(root, 'data/train'), plan.v1, source);
  await writeScans(join(root, 'data/test'), plan.test, source);
  writeFileSync(join(root, 'stages.yaml'), stagesYaml({ augmented: false }));
  writeFileSync(join(root, 'params.yaml'), paramsYaml(training));
  await shell.run('dv add data/train data/test');
  await shell.run('git add .');
  await shell.run('git commit --quiet -m "Scanned digits and a pipeline"');
  await shell.run('cat data/train.dv');
}

async function reproduce(shell: Shell, message: string): Promise<void> {
  await shell.run('dv repro');
  await shell.run(`git add . && git commit --quiet -m "${message}"`);
}

async function cleanVersion(root: string, plan: DigitPlan): Promise<void> {
  const counts = countChanges(plan.changes);
  say(`somebody looks through the scans: ${counts.relabel} moved to the right class, ${counts.drop} unreadable ones
dropped, ${counts.add} new ones of the rare classes added`);
  const source = { digits: await readDigits(), seed: plan.seed };
  await applyChanges(join(root, 'data/train'), plan.changes, source);
}

async function threeVersions(shell: Shell, root: string, plan: DigitPlan): Promise<void> {
  heading('Version 1: the data as it came');
  await shell.run(`git checkout --quiet -b ${branches[0]}`);
  await reproduce(shell, 'Train on the data as it came');

  heading('Version 2: the same data, cleaned by hand');
  await shell.run(`git checkout --quiet -b ${branches[1]}`);
  await cleanVersion(root, plan);
  await shell.run('dv status');
  await shell.run('dv diff --stat');
  await shell.run('dv add data/train');
  await reproduce(shell, 'Repair labels, drop the unreadable, add rare digits');

  heading(`Version 3: augmented, up to ${training.total} images`);
  await shell.run(`git checkout --quiet -b ${branches[2]}`);
  say('stages.yaml gets a stage `augment` in front; the model and its training stay as they are');
  writeFileSync(join(root, 'stages.yaml'), stagesYaml({ augmented: true }));
  await shell.run('git diff --stat stages.yaml');
  await reproduce(shell, 'Balance and augment');
}

async function backAndForth(shell: Shell): Promise<void> {
  heading('Going back costs nothing: git checkout brings data and results, nothing is computed again');
  for (const branch of branches) {
    await shell.run(`git checkout --quiet ${branch}`);
    await shell.run('dv repro');
  }
}

async function share(base: string, shell: Shell, root: string, binaries: string): Promise<void> {
  heading('Sharing: git push sends the data first, a clone pulls it');
  await shell.output('git init --quiet --bare ../origin.git && git remote add origin ../origin.git');
  await shell.run('git push --quiet origin --all');
  await shell.run('dv push');
  const clone = join(base, 'clone');
  const outside = new Shell(base, binaries);
  await outside.run(`git clone --quiet origin.git clone --branch ${branches[2]}`);
  const cloneShell = new Shell(clone, binaries);
  say('(in the clone)');
  for (const branch of branches) {
    await cloneShell.run(`git checkout --quiet ${branch}`);
    await cloneShell.run('dv pull');
    await shell.output(`git checkout --quiet ${branch}`);
    const [here, there] = [root, clone].map((folder) => listBytes(folder, ['data', 'build']));
    const differing = [...new Set([...here!.keys(), ...there!.keys()])].filter(
      (path) => here!.get(path) !== there!.get(path),
    );
    if (differing.length > 0)
      throw new Error(`the clone's bytes differ: ${differing.slice(0, 5).join(', ')}`);
    say(`${branch}: ${here!.size} files below data/ and build/ are the same in both, byte for byte`);
  }
  await cloneShell.run('dv repro');
}

async function main(): Promise<void> {
  const startedAt = Date.now();
  const base = mkdtempSync(join(tmpdir(), 'dv-demo-'));
  const root = join(base, 'digits');
  mkdirSync(root);
  const binaries = linkBinaries(base);
  const shell = new Shell(root, binaries);
  const plan = planDigits(1, sizes);

  await firstVersion(shell, root, plan);
  await threeVersions(shell, root, plan);
  await backAndForth(shell);
  await share(base, shell, root, binaries);

  heading('Which data was better?');
  await shell.run(`dv metrics diff ${branches.join(' ')} --plain`);
  writeFileSync(join(base, 'env.sh'), `export PATH="${binaries}:$PATH"\n`);
  appendFileSync(join(base, 'env.sh'), `cd "${root}"\n`);
  heading(`Yours to play with, made in ${Math.round((Date.now() - startedAt) / 1000)} s: ${root}`);
  say(`. ${join(base, 'env.sh')}       puts dv on your PATH and goes there; then try
dv metrics diff ${branches.join(' ')}       the same comparison to move around in
git checkout ${branches[0]} && ls build && dv repro      another data version, at once
mv data/train/3/$(ls data/train/3 | head -1) data/train/8/ && dv status && dv repro      change the data, see what reruns`);
}

await main();
