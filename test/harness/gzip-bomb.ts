import { once } from 'node:events'
import { createGzip } from 'node:zlib'

const MEGABYTE = 1 << 20

/** A gzip file of some text and so many megabytes of one character behind it, which are nowhere held unpacked. */
export async function gzipBomb(before: string, filler: string, megabytes: number): Promise<Buffer> {
  const gzip = createGzip()
  const packed = gzip.toArray()
  gzip.write(before)
  const piece = Buffer.alloc(MEGABYTE, filler)
  for (let written = 0; written < megabytes; written += 1) if (!gzip.write(piece)) await once(gzip, 'drain')
  gzip.end()
  return Buffer.concat(await packed)
}
