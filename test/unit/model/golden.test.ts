/** The bytes of docs/format.md, pinned: files that a second implementation wrote, and the document's own examples. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { buildConfig, type Config } from '../../../core/model/config.ts';
import { digestOf } from '../../../core/model/digest.ts';
import { parseGitConfig } from '../../../core/model/git-config.ts';
import { formatPointer, parsePointer } from '../../../core/model/pointer.ts';
import { comparePaths, pathProblem, type RepoPath } from '../../../core/model/repo-path.ts';
import { encodeTree, type FileMode, parseIndex, readTree, totalBytes } from '../../../core/model/tree.ts';
import { ObjectMap, seededListing } from '../../support/stored-tree.ts';

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/formats/${name}`, import.meta.url));
const document = readFileSync(new URL('../../../docs/format.md', import.meta.url), 'utf8');

/** A listing of files given by their contents. */
const listingOf = (contents: readonly (readonly [path: string, content: string, mode: FileMode])[]) =>
  contents
    .map(([path, content, mode]) => ({
      path: path as RepoPath,
      digest: digestOf(content),
      sizeBytes: Buffer.byteLength(content),
      mode,
    }))
    .sort((a, b) => comparePaths(a.path, b.path));

const small = listingOf([
  ['run.sh', '#!/bin/sh\necho hi\n', 'x'],
  ['latest', 'cats/one.txt', 'l'],
  ['dogs/100% good.txt', 'woof\n', '-'],
  ['cats/one.txt', 'meow\n', '-'],
]);

test('a small tree and pointers have the pinned bytes', async () => {
  const tree = await encodeTree(small);
  expect(Buffer.from(tree.objects[0]!.bytes)).toEqual(fixture('small.tree'));
  expect(formatPointer({ kind: 'tree', ...tree })).toBe(fixture('pointer-tree.txt').toString());
  const file = formatPointer({ kind: 'file', digest: digestOf('meow\n'), bytes: 5 });
  expect(file).toBe(fixture('pointer-file.txt').toString());
  expect(parsePointer(file, 'x.dv')).toEqual({ kind: 'file', digest: digestOf('meow\n'), bytes: 5 });
});

test('a tree without files has the pinned bytes', async () => {
  const [empty] = (await encodeTree([])).objects;
  expect(Buffer.from(empty!.bytes)).toEqual(fixture('empty.tree'));
});

test('odd names are read, sorted and escaped as pinned', async () => {
  const objects = new ObjectMap();
  const bytes = fixture('odd-names.tree');
  const entries = readTree(objects.put(bytes), objects.read);
  for (const entry of entries) expect(entry.digest, entry.path).toBe(digestOf(entry.path));
  const paths = entries.map((entry) => entry.path as string);
  const odd = [
    'new\nline',
    'car\rriage',
    '%41',
    'café',
    'cafe\u0301',
    '\ufffdreplacement',
    '\u{1f600}.png',
    '"quoted"',
  ];
  expect(paths).toEqual(expect.arrayContaining(odd));
  expect(paths.indexOf('\u{1f600}.png')).toBeGreaterThan(paths.indexOf('\uffff'));
  const again = await encodeTree(listingOf(paths.toReversed().map((path) => [path, path, '-'])));
  expect(Buffer.from(again.objects[0]!.bytes).toString()).toBe(bytes.toString());
});

test('20,000 entries split into the pinned leaves', async () => {
  const tree = await encodeTree(seededListing(20_000, 20_000));
  const index = fixture('long.index');
  expect(Buffer.from(tree.objects.at(-1)!.bytes).toString()).toBe(index.toString());
  expect(tree.digest).toBe(digestOf(index));
  expect(parseIndex(index, 'long.index')?.map((leaf) => leaf.digest)).toEqual(
    tree.objects.slice(0, -1).map((object) => object.digest),
  );
});

test('a .dvconfig with every setting is read as pinned', () => {
  const entries = parseGitConfig(fixture('dvconfig.txt').toString(), '.dvconfig');
  expect(buildConfig([{ file: '.dvconfig', tracked: true, entries }])).toEqual({
    remotes: new Map([
      [
        'origin',
        {
          name: 'origin',
          url: 's3://bucket/pre;fix#1',
          region: 'eu-central-1',
          endpoint: 'https://minio.example:9000',
          profile: 'team "one"',
          endpointFromRepository: true,
        },
      ],
      ['nas', { name: 'nas', url: '/mnt/nas/dv', endpointFromRepository: false }],
    ]),
    defaultRemote: 'origin',
    cacheDir: undefined,
    link: ['hardlink', 'copy'],
    jobs: 4,
    sharedPermissions: undefined,
    autostage: false,
    hooks: new Map([
      ['pre-push', true],
      ['post-checkout', false],
    ]),
    gc: { pruneExpireMs: 14 * 86_400_000, remoteGraceMs: 7 * 86_400_000 },
    lockTimeoutMs: 30_000,
    unpackLimit: 100,
  } satisfies Config);
});

/** The document's blocks of one kind. */
const blocks = (kind: string) =>
  [...document.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]!);

test('the document’s example is what dv writes', async () => {
  const tree = await encodeTree(small);
  const text = Buffer.from(tree.objects[0]!.bytes).toString();
  expect(blocks('dv-tree')).toEqual([text]);
  expect(blocks('dv-pointer')).toEqual([formatPointer({ kind: 'tree', ...tree })]);
  expect(document).toContain(
    `These ${text.length} bytes are the object \`objects/${tree.digest.slice(7, 9)}/${tree.digest.slice(9)}\``,
  );
  expect(document).toContain(`the tree \`dv-tree 1\`, LF: \`${(await encodeTree([])).digest}\``);
  expect(tree.bytes).toBe(totalBytes(small));
});

test('the document’s hashes of paths are right', async () => {
  const { h64 } = await xxhash();
  const rows = [...document.matchAll(/^\| `([^`]+)` \| `([0-9a-f]{16})` \| (yes|no) \|$/gm)];
  expect(rows.length).toBe(3);
  for (const [, path, hash, ends] of rows) {
    expect(h64(path!).toString(16).padStart(16, '0')).toBe(hash);
    expect((h64(path!) & 0x1fffn) === 0n).toBe(ends === 'yes');
  }
});

test('the document’s valid and invalid paths are so', () => {
  const rows = [...document.matchAll(/^\| `(".*")` \| (valid|invalid) \|$/gm)];
  const paths = rows.flatMap(([, list, verdict]) =>
    (JSON.parse(`[${list}]`) as string[]).map((path) => ({ path, verdict })),
  );
  expect(paths.length).toBeGreaterThan(20);
  for (const { path, verdict } of paths) {
    expect(pathProblem(path) === undefined, path).toBe(verdict === 'valid');
  }
});

test('the document’s keys may stand in .dvconfig, or not, as it says', () => {
  const rows = [...document.matchAll(/^\| `(dv\.[^`]+)` \|.*\| (yes|no)\b[^|]*\| [^|]*\|$/gm)];
  expect(rows.length).toBe(22);
  const values: Record<string, string> = {
    'dv.jobs': '2',
    'dv.autostage': 'no',
    'dv.cache.link': 'copy',
    'dv.remote.<name>.endpoint': 'https://host',
    'dv.remote.<name>.sse': 'aws:kms',
    'dv.remote.<name>.storageClass': 'STANDARD_IA',
  };
  for (const [, name, allowed] of rows) {
    const key = name!.replace('<event>', 'pre-push').replace('<name>', 'origin').toLowerCase();
    const entries = [{ key, value: values[name!] ?? 'on', line: 1 }];
    const read = () => buildConfig([{ file: '.dvconfig', tracked: true, entries }]);
    if (allowed === 'yes') expect(read, key).not.toThrow();
    else expect(read, key).toThrow('.dvconfig:1');
  }
});
