import { createRequire } from 'node:module';
import { decompress as decompressZstd } from 'fzstd';

/** What kafkajs wants for each compression type. */
export interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

interface Lz4 {
  compressFrame(data: Buffer): Promise<Buffer>;
  decompressFrame(data: Buffer): Promise<Buffer>;
}

// Both are CommonJS without types that NodeNext resolves.
const require = createRequire(import.meta.url);

/** Snappy, both ways. */
export const snappyCodec: () => Codec = require('kafkajs-snappy');

/** LZ4 frames, both ways. */
export const lz4Codec = (): Codec => {
  const lz4 = require('lz4-napi') as Lz4;
  return {
    compress: (encoder) => lz4.compressFrame(encoder.buffer),
    decompress: (buffer) => lz4.decompressFrame(buffer),
  };
};

/** Zstandard, reading only: we never produce it. */
export const zstdCodec = (): Codec => ({
  compress: () => Promise.reject(new Error('zstd is decoded, not encoded')),
  decompress: async (buffer) => Buffer.from(decompressZstd(buffer)),
});
