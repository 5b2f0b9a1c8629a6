/** Reading and writing dv's binary files: little-endian columns behind an eight-byte magic word. */
import { DvError } from '../errors.ts';
import { type Digest, hexOf } from './digest.ts';

/** Bytes of a raw digest. */
export const digestBytes = 32;

/** Writes fixed-width columns one behind the other. */
export class BinaryWriter {
  readonly #parts: Uint8Array[] = [];

  /** @param magic eight ASCII characters, the last one the format's version. */
  constructor(magic: string) {
    this.#parts.push(Buffer.from(magic, 'latin1'));
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(value);
    return this;
  }

  u8s(values: Iterable<number>): this {
    return this.bytes(Uint8Array.from(values));
  }

  u32(value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32LE(value);
    return this.bytes(bytes);
  }

  u32s(values: ArrayLike<number>): this {
    const bytes = Buffer.allocUnsafe(values.length * 4);
    for (let i = 0; i < values.length; i++) bytes.writeUInt32LE(values[i]!, i * 4);
    return this.bytes(bytes);
  }

  /** Whole numbers up to 2^53 - 1, eight bytes each. */
  u64s(values: readonly number[]): this {
    const bytes = Buffer.allocUnsafe(values.length * 8);
    values.forEach((value, i) => {
      bytes.writeBigUInt64LE(BigInt(value), i * 8);
    });
    return this.bytes(bytes);
  }

  /** Names of 64 hex digits, 32 bytes each. */
  names(values: readonly string[]): this {
    return this.bytes(Buffer.from(values.join(''), 'hex'));
  }

  digests(values: readonly Digest[]): this {
    return this.names(values.map(hexOf));
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads the same columns back; anything that does not fit exactly is refused. */
export class BinaryReader {
  readonly #bytes: Buffer;
  readonly #name: string;
  #at: number;

  /**
   * @param name how to name the file in errors.
   * @throws {DvError} invalid-file, newer-format
   */
  constructor(bytes: Uint8Array, magic: string, name: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
    this.#at = magic.length;
    const found = this.#bytes.toString('latin1', 0, magic.length);
    if (found === magic) return;
    const version = found.slice(-1);
    if (found.slice(0, -1) === magic.slice(0, -1) && /[2-9]/.test(version)) {
      throw new DvError('newer-format', { what: name, version });
    }
    this.fail(`expected it to begin with ${JSON.stringify(magic)}`);
  }

  fail(message: string): never {
    throw new DvError('invalid-file', { problems: [{ file: this.#name, message }] });
  }

  /** The next bytes, not copied. */
  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.fail('it ends too early');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  u8s(count: number): Uint8Array {
    return Uint8Array.from(this.bytes(count));
  }

  u32(): number {
    return this.bytes(4).readUInt32LE();
  }

  u32s(count: number): Uint32Array {
    const bytes = this.bytes(count * 4);
    const values = new Uint32Array(count);
    for (let i = 0; i < count; i++) values[i] = bytes.readUInt32LE(i * 4);
    return values;
  }

  u64s(count: number): number[] {
    const bytes = this.bytes(count * 8);
    return Array.from({ length: count }, (_, i) => {
      const value = Number(bytes.readBigUInt64LE(i * 8));
      return Number.isSafeInteger(value) ? value : this.fail('a number is too large');
    });
  }

  names(count: number): string[] {
    return namesIn(this.bytes(count * digestBytes));
  }

  digests(count: number): Digest[] {
    return this.names(count).map((name) => `sha256:${name}` as Digest);
  }

  /** Names that must be in ascending order, each once. */
  sortedNames(count: number, what: string): string[] {
    const names = this.names(count);
    for (let i = 1; i < names.length; i++) {
      if (names[i - 1]! >= names[i]!) this.fail(`expected its ${what} in ascending order, each once`);
    }
    return names;
  }

  /** Fails when something follows. */
  end(): void {
    if (this.#at !== this.#bytes.length) this.fail('it is longer than it says');
  }
}

/** The names (64 hex digits each) in a column of raw digests. One conversion for all of them is the fast way. */
export function namesIn(column: Uint8Array): string[] {
  const hex = Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString('hex');
  return Array.from({ length: column.length / digestBytes }, (_, i) => hex.slice(i * 64, i * 64 + 64));
}
