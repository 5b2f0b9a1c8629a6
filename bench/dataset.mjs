// The files every tool gets: incompressible bytes that follow from a file's number and version, so that what a
// tool gives back can be compared with what it was given without keeping a copy.
import { createCipheriv } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const filesPerFolder = 500;
const key = Buffer.from('dv bench seed 01');

/** Every 50th file has a second version: 2 %. */
const changeEvery = 50;

/** A data set of `files` files of `size` bytes each, in folders of 500. */
export class Dataset {
  constructor(files, size) {
    this.files = files;
    this.size = size;
    this.zeros = Buffer.alloc(size);
  }

  /** Path of a file inside the data folder. */
  path(index) {
    return `${String(Math.floor(index / filesPerFolder)).padStart(4, '0')}/${String(index).padStart(7, '0')}.bin`;
  }

  /** Bytes of a file: the key stream of AES in counter mode, which starts elsewhere for each file and version. */
  content(index, version) {
    const start = Buffer.alloc(16);
    start.writeUInt32BE(index, 0);
    start.writeUInt32BE(version, 4);
    return createCipheriv('aes-128-ctr', key, start).update(this.zeros);
  }

  /** Writes all files in their first version. */
  write(folder) {
    for (let index = 0; index < this.files; index++) {
      const file = join(folder, this.path(index));
      if (index % filesPerFolder === 0) mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, this.content(index, 0));
    }
  }

  /** Replaces 2 % of the files by their second version. New files, as a write into a hard link would change the store's. */
  change(folder) {
    for (let index = 0; index < this.files; index += changeEvery) {
      const file = join(folder, this.path(index));
      rmSync(file);
      writeFileSync(file, this.content(index, 1));
    }
  }

  /**
   * Compares a folder with what it should hold: the number of files, and the bytes of some 200, half of them among
   * those with two versions.
   * @param version 0 or 1, of the files that have two.
   * @throws when anything differs.
   */
  check(folder, version) {
    const found = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.bin')).length;
    if (found !== this.files) throw new Error(`${folder} holds ${found} files instead of ${this.files}`);
    const stride = changeEvery * Math.ceil(this.files / changeEvery / 100);
    for (let first = 0; first < this.files; first += stride) {
      this.checkFile(folder, first, version);
      if (first + 1 < this.files) this.checkFile(folder, first + 1, 0);
    }
  }

  checkFile(folder, index, version) {
    const file = join(folder, this.path(index));
    if (!readFileSync(file).equals(this.content(index, version)))
      throw new Error(`${file} does not hold the bytes of version ${version}`);
  }
}
