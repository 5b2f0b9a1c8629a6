/** What dv uses of Google's client; the program's build makes one file of it (scripts/build.mjs). */
export { CRC32C_DEFAULT_VALIDATOR_GENERATOR, Storage } from '@google-cloud/storage';
