import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createConfig, lint } from '@redocly/openapi-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectorKinds } from '../../connectors/kinds.ts'
import { exporterKinds } from '../../exporters/kinds.ts'
import { bundleContract, generate } from '../../openapi/generate.ts'
import { type Api, api } from './api.ts'

const root = path.join(import.meta.dirname, '../..')

let t: Api
beforeAll(async () => {
  t = await api()
})
afterAll(() => t[Symbol.asyncDispose]())

describe('the contract', () => {
  test('is clean by the rules of its folder', async () => {
    const config = await createConfig({
      extends: ['recommended'],
      rules: {
        // Every operation answers faults by `default`.
        'operation-4xx-response': 'off',
        'operation-operationId-unique': 'error',
        'no-ambiguous-paths': 'error',
        'operation-operationId-url-safe': 'error',
      },
    })
    const problems = await lint({ ref: path.join(root, 'openapi/openapi.yaml'), config })
    expect(problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`)).toEqual([])
  })

  test('is generated freshly', async () => {
    for (const [name, content] of await generate()) {
      const kept = readFileSync(path.join(root, 'openapi/generated', name), 'utf8')
      expect(kept === content, `${name} is what its sources say`).toBe(true)
    }
  })

  test('lists the kinds that the registries hold', async () => {
    const { components } = await bundleContract()
    expect(components.schemas['ConnectorKindId']).toEqual({ type: 'string', enum: [...connectorKinds.keys()].sort() })
    expect(components.schemas['DestinationKindId']).toEqual({ type: 'string', enum: [...exporterKinds.keys()].sort() })
  })

  test('asks for a key on every POST and for a revision where two people edit', async () => {
    const { paths } = await bundleContract()
    const names = (item: Record<string, any>, method: string) =>
      (item[method]?.parameters ?? []).map(({ $ref }: { $ref?: string }) => $ref?.split('/').at(-1))
    const posts = Object.entries(paths).filter(([, item]) => item['post'])
    expect(posts.length).toBeGreaterThan(30)
    for (const [route, item] of posts) expect(names(item, 'post'), route).toContain('IdempotencyKey')
    for (const [route, item] of Object.entries(paths)) {
      for (const method of ['put', 'patch']) if (item[method]) expect(names(item, method), route).toContain('IfMatch')
    }
  })
})

describe('the docs page', () => {
  test('shows the contract without anything from elsewhere', async () => {
    const response = await fetch(`${t.url}/docs`)
    const page = { headers: response.headers, body: await response.text() }
    expect(response.status).toBe(200)
    expect(page.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
    const addresses = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((found) => found[1] as string)
    expect(addresses.length).toBeGreaterThanOrEqual(4)
    for (const address of addresses) {
      expect(address).toMatch(/^\/docs\/[\w.-]+$/)
      const asset = await fetch(t.url + address)
      expect(asset.status, address).toBe(200)
      expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(100)
    }
    expect(page.body).not.toMatch(/https?:\/\//)
    const start = await (await fetch(`${t.url}/docs/start.js`)).text()
    expect(start).toContain('validatorUrl: null')
    expect(start).not.toMatch(/https?:\/\//)
  })

  test('serves the bundle', async () => {
    const response = await fetch(`${t.url}/openapi.json`)
    expect(((await response.json()) as { openapi: string }).openapi).toBe('3.1.0')
    expect((await fetch(`${t.url}/docs/package.json`)).status).toBe(404)
  })
})
