/** Packs of the cache as a user meets them: nothing says whether an object is a file or in a pack. */
import {
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, hexOf } from '../../core/model/digest.ts';
import { hasOwnFile, objectPath } from '../../core/store/cache.ts';
import { canBeAnother, dvAs, giveTo, nobody } from '../support/another-user.ts';
import { damagedObjects, objectsIn } from '../support/cache-objects.ts';
import { packsIn } from '../support/cache-packs.ts';
import { someFiles, writeAll } from '../support/data.ts';
import { noise } from '../support/data-world.ts';
import { dvWithFault } from '../support/faults.ts';
import { type TestRepo, testRepo } from '../support/repo.ts';

const files = someFiles('data', 130, 'content ');
const [firstPath] = Object.keys(files) as [string];
const firstText = files[firstPath]!;
const firstHex = hexOf(digestOf(firstText));

/** 130 files in one pack, committed, a remote that has nothing yet. */
let template: TestRepo;
beforeAll(async () => {
  template = await testRepo(files, { init: true });
  await template.git('config', 'dv.cache.link', 'copy');
  await template.dvOk('add', 'data');
  await template.git('config', 'dv.remote.origin.url', '../outside/remote');
  await template.commit('data');
});
afterAll(() => template[Symbol.asyncDispose]());

const packed = () => testRepo({}, { copyOf: template });
const objectsDir = (repo: TestRepo) => repo.open().objectsDir;
const thePack = (repo: TestRepo) => packsIn(objectsDir(repo))[0]!;
const said = ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}`;

/** How many objects are files, and how many packs there are. */
function shape(folder: string): { files: number; packs: number } {
  const names = readdirSync(folder).filter((name) => name.length === 2);
  const found = names.reduce((sum, name) => sum + readdirSync(join(folder, name)).length, 0);
  return { files: found, packs: packsIn(folder).length };
}

/** Turns a bit of an object in a pack over. */
function damage(path: string, text: string): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(text);
  expect(at).toBeGreaterThanOrEqual(0);
  bytes[at] = bytes[at]! ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  chmodSync(path, 0o444);
}

test('a hundred new small files become one pack, ninety-nine a file each; large ones stay files', async () => {
  await using repo = await testRepo(
    {
      ...someFiles('few', 98, 'few '),
      'few/empty': '',
      ...someFiles('many', 97, 'many '),
      'many/empty': '',
      'many/almost': noise('almost', (1 << 20) - 1),
      'many/whole': noise('whole', 1 << 20),
      'many/large': noise('large', 9 << 20),
    },
    { init: true },
  );
  await repo.git('config', 'dv.cache.link', 'copy');
  await repo.run('ln', ['-s', 'almost', join(repo.root, 'many/link')]);
  const { '.gitignore': _before, ...before } = repo.tree();
  await repo.dvOk('add', 'few');
  expect(shape(objectsDir(repo))).toEqual({ files: 100, packs: 0 });
  await repo.dvOk('add', 'many');
  // The listing, the link’s target and two large files; `empty` was there.
  expect(shape(objectsDir(repo))).toEqual({ files: 104, packs: 1 });
  expect(objectsIn(objectsDir(repo))).toHaveLength(104 + 98);
  expect(damagedObjects(objectsDir(repo))).toEqual([]);
  expect(statSync(thePack(repo)).mode & 0o222).toBe(0);
  for (const path of ['few', 'many']) repo.remove(path);
  await repo.dvOk('checkout');
  const { '.gitignore': _, ...after } = repo.tree();
  expect(after).toMatchObject(before);
  expect((await repo.dvOk('add', 'many')).status).toBe(0);
  expect(shape(objectsDir(repo))).toEqual({ files: 104, packs: 1 });
});

test('dv.cache.unpackLimit: one, off, and what is no number', async () => {
  await using repo = await testRepo({ 'a/1': '1', ...someFiles('b', 120) }, { init: true });
  await repo.git('config', 'dv.cache.link', 'copy');
  await repo.git('config', 'dv.cache.unpackLimit', 'off');
  await repo.dvOk('add', 'b');
  expect(shape(objectsDir(repo))).toEqual({ files: 121, packs: 0 });
  await repo.git('config', 'dv.cache.unpackLimit', '1');
  await repo.dvOk('add', 'a');
  expect(shape(objectsDir(repo))).toEqual({ files: 122, packs: 1 });
  await repo.git('config', 'dv.cache.unpackLimit', 'many');
  const invalid = await repo.dv('status');
  expect(invalid.status).toBe(2);
  expect(invalid.stderr).toMatch(
    /\.git\/config:\d+ dv\.cache\.unpacklimit: expected a whole number from 1 on, or off, found "many"/,
  );
  await repo.git('config', '--unset', 'dv.cache.unpackLimit');
  repo.write('.dvconfig', '[dv "cache"]\n  unpackLimit = 5\n');
  const refused = await repo.dv('status');
  expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('.dvconfig:2') });
});

test.each(['hardlink', 'symlink'] as const)(
  'set to %s after packs exist, a checkout links to objects of their own; --copy takes the links back',
  async (mode) => {
    await using repo = await packed();
    await repo.git('config', 'dv.cache.link', mode);
    repo.remove('data');
    await repo.dvOk('checkout');
    const object = objectPath(repo.open(), digestOf(firstText));
    const linked = join(repo.root, firstPath);
    if (mode === 'hardlink') expect(statSync(linked).ino).toBe(statSync(object).ino);
    else expect(readlinkSync(linked)).toContain(`${firstHex.slice(0, 2)}/${firstHex.slice(2)}`);
    expect(statSync(object).mode & 0o222).toBe(0);
    expect(shape(objectsDir(repo))).toEqual({ files: 131, packs: 1 });
    expect((await repo.dvOk('status', '--check')).status).toBe(0);
    // The pack's copies are second ones now: gc takes them, and the links stay whole.
    await repo.dvOk('gc', '--yes', '--force', '--older-than', 'now');
    expect(shape(objectsDir(repo))).toEqual({ files: 131, packs: 0 });
    expect(repo.read(firstPath)).toBe(firstText);
    await repo.dvOk('checkout', '--copy', '.');
    const own = lstatSync(linked);
    expect([own.isSymbolicLink(), own.nlink, own.mode & 0o200]).toEqual([false, 1, 0o200]);
    writeFileSync(linked, 'edited');
    expect(damagedObjects(objectsDir(repo))).toEqual([]);
    await repo.dvOk('checkout', '--force');
    expect(repo.read(firstPath)).toBe(firstText);
  },
);

test('--copy where files were copies of packed objects all along', async () => {
  await using repo = await packed();
  await repo.dvOk('checkout', '--copy', '.');
  expect(repo.read(firstPath)).toBe(firstText);
  expect((await repo.dvOk('status', '--check')).status).toBe(0);
});

test('a damaged object in a pack: named by checkout and verify, refused by push, healed from the workspace', async () => {
  await using repo = await packed();
  damage(thePack(repo), firstText);
  expect(damagedObjects(objectsDir(repo))).toEqual([firstHex]);
  repo.remove(firstPath);
  const checkout = await repo.dv('checkout');
  expect([checkout.status, said(checkout).includes('dv verify --repair')]).toEqual([3, true]);
  expect(said(checkout)).toContain(firstHex.slice(0, 8));
  expect(repo.exists(firstPath)).toBe(false);
  const named = await repo.dv('verify');
  expect(named).toMatchObject({ status: 3, stdout: expect.stringContaining(`damaged     ${firstPath}`) });
  const push = await repo.dv('push');
  expect([push.status === 0, said(push).includes('damaged')]).toEqual([false, true]);
  const get = await repo.dv('get', firstPath, '--out', join(repo.outside, 'got'));
  expect(get.status).not.toBe(0);
  repo.write(firstPath, firstText);
  expect((await repo.dvOk('verify', '--repair')).stdout).toContain('healed from the workspace');
  // The damaged copy is still in the pack, and does no harm.
  expect(damagedObjects(objectsDir(repo))).toEqual([firstHex]);
  expect((await repo.dvOk('verify', '--all')).status).toBe(0);
  repo.remove('data');
  await repo.dvOk('checkout');
  expect(repo.read(firstPath)).toBe(firstText);
  await repo.dvOk('push');
  await repo.dvOk('gc', '--yes');
  expect(damagedObjects(objectsDir(repo))).toEqual([]);
  expect((await repo.dvOk('verify', '--all')).stdout).toContain('checked 131 objects');
});

test('a pack of a later version stops what needs the cache, and nothing is taken for lost', async () => {
  await using repo = await packed();
  const bytes = readFileSync(thePack(repo));
  bytes.write('2', bytes.length - 1);
  chmodSync(thePack(repo), 0o644);
  writeFileSync(thePack(repo), bytes);
  repo.remove(firstPath);
  for (const command of [['verify', '--all'], ['checkout'], ['gc']]) {
    const outcome = await repo.dv(...command);
    expect([command[0], outcome.status, outcome.stderr.includes('has format version 2')]).toEqual([
      command[0],
      2,
      true,
    ]);
  }
  expect(readFileSync(thePack(repo)).equals(bytes)).toBe(true);
});

test('a damaged object in a pack is healed from a remote', async () => {
  await using repo = await packed();
  await repo.dvOk('push');
  damage(thePack(repo), firstText);
  repo.remove(firstPath);
  expect((await repo.dv('checkout')).status).toBe(3);
  expect((await repo.dvOk('verify', '--repair')).stdout).toContain('healed from');
  await repo.dvOk('checkout');
  expect(repo.read(firstPath)).toBe(firstText);
});

test.each(['cut', 'deleted'] as const)(
  'a pack that was %s: what was in it is missing, pull and add bring it back',
  async (how) => {
    const lose = (repo: TestRepo) => {
      for (const path of packsIn(objectsDir(repo))) {
        if (how === 'deleted') rmSync(path);
        else {
          chmodSync(path, 0o644);
          truncateSync(path, statSync(path).size - 5);
        }
      }
    };
    await using repo = await packed();
    await repo.dvOk('push');
    lose(repo);
    expect((await repo.dv('verify')).stdout).toMatch(/130 bad/);
    const told = (await repo.dv('doctor')).stdout.includes('cannot be read, or not all of it');
    expect(told).toBe(how === 'cut');
    // What is in the workspace can still be recorded: it is stored again.
    await repo.dvOk('status');
    await repo.dvOk('add', 'data');
    expect((await repo.dvOk('verify')).status).toBe(0);
    lose(repo);
    repo.remove('data');
    const checkout = await repo.dv('checkout');
    expect([checkout.status, said(checkout).includes('dv pull')]).toEqual([12, true]);
    await repo.dvOk('pull');
    expect(repo.tree('data')).toEqual(template.tree('data'));
    expect((await repo.dvOk('verify', '--all')).status).toBe(0);
  },
);

test('a pull of many small files is one pack, of few a file each', async () => {
  await using repo = await packed();
  await repo.dvOk('push');
  rmSync(objectsDir(repo), { recursive: true });
  repo.remove('data');
  await repo.dvOk('pull');
  expect(shape(objectsDir(repo))).toEqual({ files: 1, packs: 1 });
  expect(repo.tree('data')).toEqual(template.tree('data'));
  rmSync(objectsDir(repo), { recursive: true });
  await repo.dvOk('fetch', 'data/class-0');
  expect(shape(objectsDir(repo)).packs).toBe(0);
  await repo.dvOk('fetch');
  expect(objectsIn(objectsDir(repo))).toHaveLength(131);
  expect(damagedObjects(objectsDir(repo))).toEqual([]);
});

test('get, diff, log, restore and doctor read packed objects as others', async () => {
  await using repo = await packed();
  await repo.dvOk('-C', repo.outside, 'get', '--repo', repo.root, 'data/class-1');
  expect(Object.keys(repo.tree('../outside/class-1'))).toHaveLength(43);
  expect(repo.read(firstPath.replace('data/class-0', '../outside/class-1').replace('00000', '00001'))).toBe(
    files['data/class-1/00001.txt'],
  );
  writeAll(repo, someFiles('data', 110, 'changed '));
  await repo.dvOk('add', 'data');
  await repo.commit('changed');
  expect(packsIn(objectsDir(repo))).toHaveLength(2);
  expect((await repo.dvOk('diff', 'HEAD~1', 'HEAD')).stdout).toMatch(/110/);
  expect((await repo.dvOk('log')).stdout).toContain('data');
  await repo.dvOk('restore', '--object', firstHex.slice(0, 12), 'restored');
  expect(repo.read('restored')).toBe(firstText);
  expect((await repo.dv('restore', '--object', '00000000', 'x')).status).not.toBe(0);
  const tree = /digest: sha256:([0-9a-f]{64})/.exec(repo.read('data.dv'))![1]!;
  await repo.dvOk('restore', '--object', tree.slice(0, 12), 'folder');
  expect(repo.read('folder/class-0/00000.txt')).toBe('changed 0\n');
  expect((await repo.dvOk('doctor')).stdout).toMatch(/\b242 objects/);
  await repo.dvOk('restore', '--from', 'HEAD~1', 'data');
  expect(repo.tree('data')).toEqual(template.tree('data'));
});

test('two repositories with one cache share packs, and each gc keeps what the other needs', async () => {
  await using repo = await testRepo({ ...files, ...someFiles('own', 120, 'of one ') }, { init: true });
  const cache = join(repo.outside, 'cache');
  const two = join(repo.outside, 'two');
  await repo.git('init', '--quiet', two);
  for (const root of [repo.root, two]) {
    await repo.git('-C', root, 'config', 'dv.cache.dir', cache);
    await repo.git('-C', root, 'config', 'dv.cache.link', 'copy');
  }
  writeAll(
    repo,
    Object.fromEntries(Object.entries(files).map(([path, text]) => [`../outside/two/${path}`, text])),
  );
  const there = (...args: string[]) => repo.dvOk('-C', two, ...args);
  // Both at once bring the same objects.
  await Promise.all([repo.dvOk('add', 'data'), there('add', 'data')]);
  await repo.dvOk('add', 'own');
  expect(damagedObjects(join(cache, 'objects'))).toEqual([]);
  rmSync(join(repo.root, 'data'), { recursive: true });
  await repo.dvOk('rm', '--force', 'data');
  await repo.dvOk('rm', '--force', 'own');
  rmSync(join(repo.root, '.git/dv/index'), { recursive: true, force: true });
  const gc = await repo.dvOk('gc', '--yes', '--force', '--older-than', 'now', '--used-by', two);
  expect(gc.stdout).toContain('removed 121 objects');
  expect(new Set(objectsIn(join(cache, 'objects')).map(({ name }) => name)).size).toBe(131);
  rmSync(join(two, 'data'), { recursive: true });
  await there('checkout');
  expect(readFileSync(join(two, firstPath), 'utf8')).toBe(firstText);
  expect((await there('verify', '--all')).status).toBe(0);
});

test.runIf(canBeAnother)('a cache of another user is read, whatever of it may be read', async () => {
  await using repo = await packed();
  const cache = join(repo.outside, 'cache');
  await repo.run('cp', ['-r', join(repo.root, '.git/dv'), cache]);
  rmSync(join(repo.root, '.git/dv'), { recursive: true });
  await repo.git('config', 'dv.cache.dir', cache);
  giveTo(repo, nobody);
  await repo.run('chmod', ['-R', 'a+rX', `${repo.root}/..`]);
  await repo.run('chown', ['-R', '0:0', cache]);
  chmodSync(thePack(repo), 0o444);
  rmSync(join(repo.root, 'data'), { recursive: true });
  expect(await dvAs(nobody, repo, ['checkout'])).toMatchObject({ status: 0 });
  expect(repo.tree('data')).toEqual(template.tree('data'));
  expect(await dvAs(nobody, repo, ['verify'])).toMatchObject({ status: 0 });
  // One that may not be read counts as gone, and everything else goes on.
  chmodSync(thePack(repo), 0o400);
  expect(await dvAs(nobody, repo, ['status'])).toMatchObject({ status: 0 });
  expect(await dvAs(nobody, repo, ['verify'])).toMatchObject({ status: 12 });
  rmSync(join(repo.root, 'data'), { recursive: true });
  expect(await dvAs(nobody, repo, ['checkout'])).toMatchObject({ status: 12 });
});

test.each([
  ['a full disk', { code: 'ENOSPC', calls: ['writeSync'], path: '.pack' }, 'no space left'],
  ['a cache that became read-only', { code: 'EROFS', calls: ['renameSync'], path: '.pack' }, 'not writable'],
  [
    'a disk that fails when the pack gets its name',
    { code: 'EIO', calls: ['renameSync'], path: '.pack' },
    'EIO',
  ],
] as const)(
  '%s: nothing is recorded, nothing is left over, and the next try does it',
  async (_, fault, told) => {
    await using repo = await packed();
    writeAll(repo, someFiles('more', 120, 'more '));
    const before = shape(objectsDir(repo));
    const failed = await dvWithFault(repo, fault, 'add', 'more');
    expect(failed).toMatchObject({
      struck: true,
      status: expect.any(Number),
      stderr: expect.stringContaining(told),
    });
    expect(failed.status).not.toBe(0);
    expect(repo.exists('more.dv')).toBe(false);
    expect(shape(objectsDir(repo))).toMatchObject({ packs: before.packs });
    expect(readdirSync(join(repo.root, '.git/dv/tmp'))).toEqual([]);
    await repo.dvOk('add', 'more');
    expect(damagedObjects(objectsDir(repo))).toEqual([]);
    expect(shape(objectsDir(repo)).packs).toBe(before.packs + 1);
  },
);

test('a disk that is full when gc rewrites a pack loses nothing', async () => {
  await using repo = await packed();
  writeAll(repo, someFiles('data', 20, 'changed '));
  await repo.dvOk('add', 'data');
  await repo.git('commit', '--quiet', '--all', '--amend', '--message', 'amended');
  await repo.git('reflog', 'expire', '--expire=now', '--all');
  const collect = ['gc', '--yes', '--force', '--older-than', 'now'];
  const fault = { code: 'ENOSPC', calls: ['writeSync'], path: '.pack' };
  const failed = await dvWithFault(repo, fault, ...collect);
  expect(failed).toMatchObject({ struck: true, stderr: expect.stringContaining('no space left') });
  expect((await repo.dvOk('verify')).status).toBe(0);
  expect(readdirSync(join(repo.root, '.git/dv/tmp'))).toEqual([]);
  expect((await repo.dvOk(...collect)).stdout).toMatch(/removed \d+ objects/);
  expect((await repo.dvOk('verify', '--all')).status).toBe(0);
  repo.remove('data');
  await repo.dvOk('checkout');
  expect(repo.read('data/class-0/00000.txt')).toBe('changed 0\n');
});

test('add, pull and gc at once: everything that is recorded is there at the end', async () => {
  await using repo = await packed();
  await repo.dvOk('push');
  await repo.git('config', 'dv.cache.unpackLimit', '1');
  writeAll(repo, someFiles('more', 150, 'more '));
  writeAll(repo, someFiles('again', 130, 'content '));
  const gc = () => repo.dv('gc', '--yes', '--force', '--older-than', 'now');
  const outcomes = await Promise.all([
    repo.dv('add', 'more'),
    gc(),
    repo.dv('add', 'again'),
    gc(),
    repo.dv('pull'),
  ]);
  expect(outcomes.map(({ status, stderr }) => [status, stderr])).toEqual(outcomes.map(() => [0, '']));
  expect((await repo.dvOk('verify')).status).toBe(0);
  for (const path of ['data', 'more', 'again']) repo.remove(path);
  await repo.dvOk('checkout');
  expect(Object.keys(repo.tree('more'))).toHaveLength(150);
  expect(damagedObjects(objectsDir(repo))).toEqual([]);
  expect(hasOwnFile(repo.open(), digestOf(firstText))).toBe(false);
});
