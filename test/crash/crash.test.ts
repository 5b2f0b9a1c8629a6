/**
 * Every command that writes, killed at a writing call and run again. `npm test` tries a few calls of some commands,
 * `npm run test:long` (DV_TEST_LONG) up to 40 of each, DV_TEST_LONG=all every one.
 */
import { chmodSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { objectsIn } from '../support/cache-objects.ts';
import { putPack } from '../support/cache-packs.ts';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';
import { crash, listFolder, type Scenario } from './harness.ts';

const { DV_TEST_LONG: long } = process.env;
const most = long === 'all' ? Number.POSITIVE_INFINITY : long ? 40 : 4;
const quick = new Set(['add again', 'git checkout', 'mv of a folder', 'rm', 'commit', 'gc of packs']);

const scenarios: readonly Scenario[] = [
  {
    name: 'add',
    async prepare(world) {
      world.write('fresh/a', 'a');
      world.write('fresh/sub/b', 'b');
      world.write('fresh.bin', 'c');
    },
    command: ['add', 'fresh', 'fresh.bin'],
  },
  { name: 'add again', prepare: edit, command: ['add', 'data', 'one.bin'] },
  { name: 'add --no-commit', prepare: edit, command: ['add', '--no-commit', 'data', 'one.bin'] },
  {
    name: 'commit',
    async prepare(world) {
      await edit(world);
      await world.dvOk('add', '--no-commit', 'data', 'one.bin');
    },
    command: ['commit'],
  },
  {
    name: 'checkout',
    async prepare(world) {
      await world.git('-c', 'core.hooksPath=/dev/null', 'checkout', '--quiet', 'two');
    },
    command: ['checkout'],
  },
  {
    name: 'checkout --force',
    async prepare(world) {
      await edit(world);
      await world.git('-c', 'core.hooksPath=/dev/null', 'checkout', '--quiet', 'two');
    },
    command: ['checkout', '--force'],
  },
  { name: 'git checkout', async prepare() {}, command: ['git', 'checkout', '--quiet', 'two'] },
  {
    name: 'git checkout of a branch without data',
    async prepare() {},
    command: ['git', 'checkout', '--quiet', 'none'],
  },
  { name: 'mv of a folder', prepare: edit, command: ['mv', 'data', 'moved'], alsoEndsWith: [2] },
  {
    name: 'mv into a folder',
    async prepare(world) {
      world.write('into/x', 'x');
    },
    command: ['mv', 'one.bin', 'data', 'into'],
    alsoEndsWith: [2],
  },
  { name: 'rm', async prepare() {}, command: ['rm', 'data', 'one.bin'], alsoEndsWith: [2] },
  {
    name: 'rm --cached',
    async prepare() {},
    command: ['rm', '--cached', 'data', 'one.bin'],
    alsoEndsWith: [2],
  },
  { name: 'rm --force', prepare: edit, command: ['rm', '--force', 'data'], alsoEndsWith: [2] },
  {
    name: 'push',
    prepare: toRemote,
    command: ['push'],
    extra: pullElsewhere,
  },
  {
    name: 'pull',
    async prepare(world) {
      await toRemote(world);
      await world.dvOk('push');
      await world.git('rm', '--quiet', 'one.bin.dv');
      await world.git('commit', '--quiet', '--message', 'fewer');
      for (const path of ['data', 'one.bin', '.git/dv']) world.remove(path);
    },
    command: ['pull'],
  },
  {
    name: 'pull of large files',
    async prepare(world) {
      // In pieces of 8 MiB: three and two.
      world.write('large/a', Buffer.alloc(17 << 20, 'a'));
      world.write('large/b', Buffer.alloc(9 << 20, 'b'));
      await world.dvOk('add', 'large');
      await toRemote(world);
      await world.dvOk('push');
      for (const path of ['large', '.git/dv']) world.remove(path);
    },
    command: ['pull', 'large'],
    most: 30,
  },
  {
    name: 'add to a pack',
    async prepare(world) {
      await toPacks(world);
      for (let i = 0; i < 12; i++) world.write(`many/${i % 3}/${i}`, String(i));
      world.write('many/empty', '');
    },
    command: ['add', 'many'],
    extra: async (root) => namesOfObjects(root),
  },
  {
    name: 'pull to a pack',
    async prepare(world) {
      await toPacks(world);
      await toRemote(world);
      await world.dvOk('push');
      for (const path of ['data', '.git/dv']) world.remove(path);
    },
    command: ['pull'],
    extra: async (root) => namesOfObjects(root),
  },
  {
    name: 'checkout of links to packed objects',
    async prepare(world) {
      await toPacks(world);
      await world.git('checkout', '--quiet', 'none');
      for (let i = 0; i < 6; i++) world.write(`many/${i}`, String(i));
      await world.dvOk('add', 'many');
      await world.commit('many');
      world.remove('many');
      await world.git('config', 'dv.cache.link', 'hardlink');
    },
    command: ['checkout'],
  },
  {
    name: 'gc of packs',
    async prepare(world) {
      await toPacks(world);
      await world.git('branch', '--quiet', '-D', 'two');
      for (let i = 0; i < 12; i++) world.write(`many/${i}`, String(i));
      await world.dvOk('add', 'many');
      const copies = Array.from({ length: 5 }, (_, i) => String(i));
      putPack(world.open().objectsDir, [...copies, 'nobody needs this']);
      // What is changed goes, the others stay.
      for (let i = 0; i < 6; i++) world.write(`many/${i}`, `changed ${i}`);
      await world.dvOk('add', 'many');
      await world.commit('many');
      await world.git('reflog', 'expire', '--expire=now', '--all');
    },
    command: ['gc', '--yes', '--force', '--older-than', '0s'],
    extra: async (root) => namesOfObjects(root),
  },
  {
    name: 'gc',
    async prepare(world) {
      await world.git('branch', '--quiet', '-D', 'two');
      await world.git('reflog', 'expire', '--expire=now', '--all');
    },
    command: ['gc', '--yes', '--force', '--older-than', '0s'],
    extra: async (root) => countObjects(root),
  },
  {
    name: 'repro',
    async prepare(world) {
      world.write(
        'stages.yaml',
        'version: 1\nstages:\n  copy:\n    cmd: cp -R data out && cp one.bin out.json\n    deps: [data, one.bin]\n    outs: [out, out.json]\n',
      );
    },
    command: ['repro'],
    most: 60,
  },
  {
    name: 'add on threads',
    async prepare(world) {
      for (let i = 0; i < 260; i++) world.write(`many/${i % 3}/${i}`, String(i));
    },
    command: ['add', 'many'],
    most: 24,
  },
  {
    name: 'git checkout on threads',
    async prepare(world) {
      for (let i = 0; i < 260; i++) world.write(`many/${i % 3}/${i}`, String(i));
      await world.git('checkout', '--quiet', '-b', 'many');
      await world.dvOk('add', 'many');
      await world.commit('many');
      await world.git('checkout', '--quiet', 'none');
    },
    command: ['git', 'checkout', '--quiet', 'many'],
    most: 24,
  },
];

/** Edits of every kind. */
async function edit(world: TestRepo): Promise<void> {
  world.write('data/a', 'edited');
  world.remove('data/sub');
  world.write('data/new/file', 'new');
  world.write('one.bin', 'edited');
}

async function toRemote(world: TestRepo): Promise<void> {
  await world.dvOk('remote', 'add', 'origin', '../remote');
  await world.commit('remote');
}

/** From now on, what is new goes into packs. */
async function toPacks(world: TestRepo): Promise<void> {
  await world.git('config', 'dv.cache.unpackLimit', '1');
  await world.git('config', 'dv.cache.link', 'copy');
}

/** The objects that are there, however often. */
const namesOfObjects = (root: string) => [
  ...new Set(
    objectsIn(join(root, '.git/dv/objects'))
      .map(({ name }) => name)
      .sort(),
  ),
];

/** What a clone gets from the remote. */
async function pullElsewhere(root: string, world: TestRepo): Promise<unknown> {
  const clone = join(root, '../clone');
  const outcomes = [
    await world.run('git', ['clone', '--quiet', root, clone]),
    await world.run(process.execPath, [mainScript, 'pull'], { cwd: clone }),
  ];
  return { statuses: outcomes.map(({ status }) => status), files: listFolder(clone) };
}

/** How many objects are left: nothing that was to go may stay for ever. */
function countObjects(root: string): number {
  const objects = join(root, '.git/dv/objects');
  return readdirSync(objects).reduce((sum, name) => sum + readdirSync(join(objects, name)).length, 0);
}

let template: TestRepo;
beforeAll(async () => {
  template = await testRepo(
    { 'data/a': 'a1', 'data/sub/b': 'b1', 'data/sub/c': 'c1', 'one.bin': 'o1' },
    { init: true },
  );
  await template.git('branch', 'none');
  symlinkSync('a', join(template.root, 'data/link'));
  await template.dvOk('add', 'data', 'one.bin');
  await template.commit('one');
  await template.git('checkout', '--quiet', '-b', 'two');
  template.write('data/a', 'a2');
  template.remove('data/sub');
  template.write('data/sub', 'a file now');
  template.write('data/deep/er/d', 'd2');
  chmodSync(join(template.root, 'data/deep/er/d'), 0o755);
  template.write('one.bin', 'o2');
  await template.dvOk('add', 'data', 'one.bin');
  await template.commit('two');
  await template.git('checkout', '--quiet', 'main');
});
afterAll(() => template[Symbol.asyncDispose]());

const chosen = scenarios.filter(({ name }) => long !== undefined || quick.has(name));
test.each(chosen.map((scenario) => [scenario.name, scenario] as const))('%s', async (name, scenario) => {
  await using world = await testRepo({}, { copyOf: template });
  const { tried, of, differences } = await crash(scenario, world, most);
  console.log(`${name}: ${tried} of ${of} points tried, ${differences.length} differences`);
  expect(differences.slice(0, 10)).toEqual([]);
});
