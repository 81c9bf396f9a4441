import { Writable } from 'node:stream'
import { pino } from 'pino'
import type { Deps } from '../../activities/deps.ts'
import type { AccessBook } from '../../connectors/access.ts'
import { type OriginLookup, openOriginLookup } from '../../connectors/origin.ts'
import type { Database } from '../../db/connection.ts'
import type { Vault } from '../../db/vault.ts'

/** A migrated database that the kit may fill. */
export interface Host {
  url: string
  db: Database
  vault: Vault
}

/** Everything the platform writes down while a connector is tried: none of it may hold a secret or a name. */
export class Written {
  readonly #lines: string[] = []

  add(text: string): void {
    this.#lines.push(text)
  }

  /** Which of these texts were written. */
  found(texts: readonly string[]): string[] {
    const all = this.#lines.join('\n')
    return texts.filter((text) => all.includes(text))
  }
}

let origin: Promise<OriginLookup> | undefined

/** What `runImport` reaches the world by; Temporal and the spool are no part of a pull. */
export async function depsOf(host: Host, access: AccessBook, written: Written): Promise<Deps> {
  origin ??= openOriginLookup()
  const lines = new Writable({
    write(line: Buffer, _, done) {
      written.add(line.toString())
      done()
    },
  })
  return {
    db: host.db,
    databaseUrl: host.url,
    vault: host.vault,
    origin: await origin,
    access,
    log: pino({ level: 'trace' }, lines),
    spool: undefined as never,
    temporal: undefined as never,
    publicUrl: 'http://127.0.0.1',
    version: '0',
    hostname: 'conformance',
    allowPrivateAddresses: true,
    maxFileBytes: 0,
  }
}
