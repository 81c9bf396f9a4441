import { z } from 'zod'
import { isAppError } from '../../domain/errors.ts'
import { prerequisiteFor } from '../connector.ts'
import { folderPlace } from './places/folder.ts'
import type { Place } from './places/place.ts'
import { s3Place } from './places/s3.ts'
import { sftpPlace } from './places/sftp.ts'

const sftp = z.strictObject({
  kind: z.literal('sftp'),
  host: z.string().min(1).max(255).meta({ title: 'Host' }),
  port: z.int().min(1).max(65_535).default(22).meta({ title: 'Port' }),
  path: z.string().min(1).max(1_000).default('.').meta({ title: 'Folder on the server' }),
  userName: z.string().min(1).max(255).meta({ title: 'User' }),
  hostKey: z
    .string()
    .regex(/^SHA256:[A-Za-z0-9+/]{43}=?$/, 'not a fingerprint as ssh-keygen -lf prints it')
    .meta({ title: 'Fingerprint of the host key (SHA256:…)' }),
})

const s3 = z.strictObject({
  kind: z.literal('s3'),
  bucket: z.string().min(3).max(63).meta({ title: 'Bucket' }),
  prefix: z.string().max(1_000).default('').meta({ title: 'Prefix' }),
  region: z.string().min(2).default('us-east-1').meta({ title: 'Region' }),
  endpoint: z.url().optional().meta({ title: 'Endpoint, for S3 servers other than Amazon' }),
  forcePathStyle: z.boolean().default(false).meta({ title: 'Path-style addresses' }),
  accessKeyId: z.string().min(1).optional().meta({ title: 'Access key id; the environment is used without one' }),
})

const secret = (title: string) => z.string().min(1).optional().meta({ title, secret: true })

/** Where files are taken from without anybody sending them. */
export const pickUpSettings = {
  dropFolder: z.string().startsWith('/').optional().meta({ title: 'Folder that is watched for files' }),
  pickUp: z.discriminatedUnion('kind', [sftp, s3]).optional().meta({ title: 'Server or bucket that is watched' }),
  pickUpPassword: secret('Password on the SFTP server'),
  pickUpPrivateKey: secret('Private key for the SFTP server'),
  pickUpPassphrase: secret('Passphrase of the private key'),
  pickUpSecretAccessKey: secret('Secret access key for the bucket'),
}

export interface PickUpConfig {
  dropFolder?: string | undefined
  pickUp?: z.output<typeof sftp> | z.output<typeof s3> | undefined
  pickUpPassword?: string | undefined
  pickUpPrivateKey?: string | undefined
  pickUpPassphrase?: string | undefined
  pickUpSecretAccessKey?: string | undefined
}

/** The places that a connector watches, each to be opened by whoever looks into it. */
export function watchedPlaces(config: PickUpConfig): (() => Promise<Place>)[] {
  const { dropFolder } = config
  return [
    ...(dropFolder === undefined ? [] : [async () => folderPlace(dropFolder)]),
    ...(config.pickUp === undefined ? [] : [() => openPickUp(config)]),
  ]
}

async function openPickUp(config: PickUpConfig): Promise<Place> {
  const { pickUp } = config
  if (pickUp?.kind === 's3') return s3Place({ ...pickUp, secretAccessKey: config.pickUpSecretAccessKey })
  return sftpPlace({
    ...(pickUp as z.output<typeof sftp>),
    password: config.pickUpPassword,
    privateKey: config.pickUpPrivateKey,
    passphrase: config.pickUpPassphrase,
  })
}

/** Where a server or a bucket is watched, it lets us in and shows its files. */
export const pickUpReachable = prerequisiteFor<PickUpConfig>()({
  id: 'pick-up',
  title: 'The watched server or bucket can be read',
  anchor: 'pick-up',
  verdicts: ['met', 'unmet', 'unknown'],
  when: 'before',
  async check({ config }) {
    if (!config.pickUp) return { state: 'met', code: 'not_used', detail: 'No server or bucket is watched.' }
    try {
      await using place = await openPickUp(config)
      await place.settled()
      return { state: 'met', code: 'readable', detail: 'The watched place can be read.' }
    } catch (error) {
      if (!isAppError(error)) throw error
      const detail = [error.message, error.fix].filter(Boolean).join('; ')
      return { state: error.retryable ? 'unknown' : 'unmet', code: error.code, detail }
    }
  },
})
