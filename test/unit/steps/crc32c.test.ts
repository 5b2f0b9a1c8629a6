import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32c, maskedCrc32c } from '../../../core/steps/crc32c.ts';

test('the checksums of RFC 3720 appendix B.4 and of the usual check string come out', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(new Uint8Array(0))).toBe(0);
});

test('eight bytes at a time give what one bit at a time gives, at any length and offset', () => {
  const bitwise = (bytes: Uint8Array) => {
    let crc = 0xffffffff;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
    return ~crc >>> 0;
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(9), (bytes, from) => {
      const part = bytes.subarray(from);
      expect(crc32c(part)).toBe(bitwise(part));
    }),
  );
});

test('the mask is TensorFlow’s', () => {
  // A record written by tf.io.TFRecordWriter: length 32 with its checksum, the data with theirs.
  const data = '0a1e0a0b0a016112060a040a0278790a0f0a056c6162656c12061a040a02ac02';
  expect(maskedCrc32c(Buffer.from('2000000000000000', 'hex'))).toBe(0x50a9ed29);
  expect(maskedCrc32c(Buffer.from(data, 'hex'))).toBe(0x48b76ac0);
});
