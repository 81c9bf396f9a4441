import { sha256 } from '../db/hash.ts'
import type { ExportEvent } from '../domain/alert.ts'
import { canonicalJson } from '../domain/canonical.ts'

/**
 * SHA-256 (hex) of the whole event in its canonical form: the third word of its line in a manifest's digest. Sent with
 * every message, so that a receiver can check manifests even where the message had to be shortened.
 */
export const payloadHash = (event: ExportEvent): string => sha256(canonicalJson(event))
