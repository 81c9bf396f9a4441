import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CASE_REGION, createCaseBucket, S3_CASES } from '../../sandbox/s3/cases.ts'
import { type S3StandIn, startS3 } from '../../sandbox/s3.ts'
import { type Moto, startMoto } from './moto.ts'

let standIn: S3StandIn | undefined
let moto: Moto | undefined
const clients: S3Client[] = []

beforeAll(async () => {
  moto = await startMoto()
  standIn = await startS3()
})
afterAll(async () => {
  for (const client of clients) client.destroy()
  await standIn?.close()
  await moto?.[Symbol.asyncDispose]()
})

function clientOf(server: { endpoint: string } | undefined): S3Client {
  if (server === undefined) throw new Error('the server has not started')
  const client = new S3Client({
    endpoint: server.endpoint,
    region: CASE_REGION,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' },
  })
  clients.push(client)
  return client
}

describe.each([
  ['the stand-in', () => standIn],
  ['moto', () => moto],
] as const)('%s', (name, server) => {
  test.each(S3_CASES.map((each, index) => [each.name, each, index] as const))('%s', async (_, each, index) => {
    const client = clientOf(server())
    const bucket = `case-${index}`
    await createCaseBucket(client, bucket)
    const expected = name === 'moto' && each.moto !== undefined ? each.moto.observes : each.expected
    expect(await each.observe(client, bucket)).toEqual(expected)
  })
})
