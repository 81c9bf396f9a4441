import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { outside } from '../../activities/checking.ts'
import type { ConnectorDefinition, ConnectorHistory, Prerequisite, Variant } from '../../connectors/connector.ts'
import { limitOf, NO_HISTORY } from '../../connectors/connector.ts'
import { parseSettings } from '../../domain/form.ts'
import type { CheckResult } from '../../domain/prerequisite.ts'
import type { Bench, VendorBench } from '../../sandbox/benches/bench.ts'
import * as benches from '../../sandbox/benches/registry.ts'
import { VirtualClock } from '../../sandbox/clock.ts'
import { type VirtualAccess, virtualAccess } from '../harness/access.ts'

const root = path.join(import.meta.dirname, '../..')

/** A connector that is about to be checked: its source, its settings and its past, all of which a scene may change. */
export interface Stand extends AsyncDisposable {
  kind: ConnectorDefinition
  clock: VirtualClock
  /** The source of a kind that is pulled. */
  bench: Bench
  settings: Record<string, unknown>
  history: ConnectorHistory
  /** A folder that ends with the stand. */
  folder: string
  /** Ends with the stand. */
  keep(what: AsyncDisposable): void
  check(prerequisite: Prerequisite<any>): Promise<CheckResult>
}

export async function standFor(kind: ConnectorDefinition, variant?: Variant<any>): Promise<Stand> {
  const clock = new VirtualClock()
  // Amazon's requests are signed by the machine's own clock.
  clock.set(new Date())
  const vendor = Object.values<VendorBench>(benches).find(
    (each) => each.kind === kind.id && each.variant === variant?.name,
  )
  const kept: AsyncDisposable[] = []
  const bench = await vendor?.start(clock)
  if (bench) kept.push(bench)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-verdicts-'))
  let access: VirtualAccess | undefined
  const stand: Stand = {
    kind,
    clock,
    bench: bench as Bench,
    settings: { ...(bench ? bench.settings : exampleSettings(kind)), ...variant?.settings },
    history: NO_HISTORY,
    folder,
    keep: (what) => void kept.push(what),
    async check(prerequisite) {
      const config = parseSettings(kind.config, stand.settings)
      access ??= virtualAccess(clock, limitOf(kind, config))
      const input = { config, now: clock.now(), history: stand.history, access }
      const asked = outside((signal) => prerequisite.check({ ...input, signal }))
      return await asked(AbortSignal.timeout(20_000))
    },
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true })
      for (const each of kept.reverse()) await each[Symbol.asyncDispose]()
    },
  }
  return stand
}

const exampleSettings = ({ id }: ConnectorDefinition): Record<string, unknown> =>
  JSON.parse(readFileSync(path.join(root, 'connectors', id, 'records/settings.json'), 'utf8'))
