import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ConnectorDefinition } from '../../connectors/connector.ts'

const root = path.join(import.meta.dirname, '../..')

/** What several kinds are made of, and what stands between it and `http/`. */
const COMMON = ['http', 'mapping', 'microsoft', 'judged.ts', 'access.ts', 'windows.ts']

/** One place of the source by which a connector is safe, and the source without it. */
export interface Change {
  /** Below `connectors/`. */
  file: string
  /** Stands there exactly once. */
  from: string
  to: string
}

/** Copies of the connectors in which one safeguard each is taken out; everything below them is the real thing. */
export class Mutants implements Disposable {
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-mutants-'))
  #made = 0

  async make(kind: string, { file, from: safe, to: unsafe }: Change): Promise<ConnectorDefinition> {
    this.#made += 1
    const tree = path.join(this.#folder, String(this.#made))
    // What does not lead to the changed file is linked: a link is the real module, which is loaded already.
    const copied = file.startsWith(`${kind}/`) ? [kind] : [kind, ...COMMON]
    mkdirSync(path.join(tree, 'connectors'), { recursive: true })
    for (const name of readdirSync(path.join(root, 'connectors'))) {
      const [from, to] = [path.join(root, 'connectors', name), path.join(tree, 'connectors', name)]
      if (copied.includes(name))
        cpSync(from, to, { recursive: true, filter: (each) => !/\.test\.ts$|\/records$/.test(each) })
      else symlinkSync(from, to)
    }
    for (const shared of ['domain', 'node_modules', 'package.json'])
      symlinkSync(path.join(root, shared), path.join(tree, shared))
    const changed = path.join(tree, 'connectors', file)
    const parts = readFileSync(changed, 'utf8').split(safe)
    if (parts.length !== 2) throw new RangeError(`${file} has what is to be changed ${parts.length - 1} times`)
    writeFileSync(changed, parts.join(unsafe))
    const made = await import(path.join(tree, 'connectors', kind, 'connector.ts'))
    const [definition] = Object.values(made as Record<string, ConnectorDefinition>)
    return definition as ConnectorDefinition
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
