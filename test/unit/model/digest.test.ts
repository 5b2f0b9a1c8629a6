import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DigestBuilder,
  digestFromHex,
  digestOf,
  hexOf,
  parseDigest,
  shortDigest,
} from '../../../core/model/digest.ts';
import { anyDigest } from '../../support/arbitraries.ts';

test('a digest is the SHA-256 of the bytes', () => {
  // FIPS 180-2, appendix B.1.
  const abc = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(digestOf('abc')).toBe(abc);
  expect(digestOf(Buffer.from('abc'))).toBe(abc);
  expect(digestOf('')).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(shortDigest(digestOf('abc'))).toBe('ba7816bf');
});

test('bytes that arrive in pieces have the digest of the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
      const builder = new DigestBuilder();
      for (const piece of pieces) builder.update(piece);
      expect(builder.finish()).toBe(digestOf(Buffer.concat(pieces)));
    }),
  );
});

test('text and hex forms lead back to the digest', () => {
  fc.assert(
    fc.property(anyDigest, (digest) => {
      expect(parseDigest(digest)).toBe(digest);
      expect(digestFromHex(hexOf(digest))).toBe(digest);
    }),
  );
});

test.each([
  ['empty', ''],
  ['no algorithm', 'a'.repeat(64)],
  ['other algorithm', `sha512:${'a'.repeat(64)}`],
  ['upper case', `sha256:${'A'.repeat(64)}`],
  ['63 digits', `sha256:${'a'.repeat(63)}`],
  ['65 digits', `sha256:${'a'.repeat(65)}`],
  ['not hex', `sha256:${'g'.repeat(64)}`],
  ['newline behind', `sha256:${'a'.repeat(64)}\n`],
  ['space before', ` sha256:${'a'.repeat(64)}`],
])('no digest: %s', (_, text) => {
  expect(parseDigest(text)).toBeUndefined();
});

test.each(['', 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64), 'g'.repeat(64), `${'a'.repeat(64)}\n`])(
  'no hex digits of a digest: %j',
  (hex) => expect(digestFromHex(hex)).toBeUndefined(),
);
