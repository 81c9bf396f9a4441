import { type Command, InvalidArgumentError, Option } from 'commander'
import { appendAudit } from '../../db/audit.ts'
import type { PageRequest } from '../../db/queries/paging.ts'
import { listTokens, type TokenRow } from '../../db/queries/tokens.ts'
import { createStaff, createToken, ROLES, type Role, revokeToken } from '../../db/staff.ts'
import { AppError } from '../../domain/errors.ts'
import { withDatabase } from '../environment.ts'
import { complain, say } from '../terminal.ts'

const LONGEST_DAYS = 366
const PAGE = 200
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface CreateOptions {
  name: string
  roles?: Role[]
  staff?: string
  days: number
}

/** For the first token, and for when nobody has one any more; needs the database. Everything here is audited. */
export function addToken(program: Command): void {
  const tokens = program.command('token').description('API tokens of members of staff, by DATABASE_URL')

  tokens
    .command('create')
    .description('make a token; it is shown once, alone on standard output')
    .requiredOption('--name <name>', 'name of the new member of staff; with --staff, the label of the token')
    .option('--roles <names>', `of a new member of staff: ${ROLES.join(', ')}`, rolesOf)
    .addOption(new Option('--staff <id>', 'another token of a known member of staff').conflicts('roles'))
    .option('--days <number>', 'valid for so many days', daysOf, 90)
    .action((options: CreateOptions) => withDatabase((db) => db.transaction().execute((tx) => create(tx, options))))

  tokens
    .command('list')
    .description('tokens and whose they are, newest first; never their secrets')
    .action(() =>
      withDatabase(async (db) => {
        let after: PageRequest['after'] = null
        do {
          const page: Awaited<ReturnType<typeof listTokens>> = await listTokens(db, { limit: PAGE, after }, {})
          for (const row of page.rows) say(lineOf(row))
          after = page.next
        } while (after !== null)
      }),
    )

  tokens
    .command('revoke')
    .description('end a token at once')
    .argument('<id>', 'as `openirm token list` shows it')
    .action((tokenId: string) =>
      withDatabase((db) =>
        db.transaction().execute(async (tx) => {
          if (!ID.test(tokenId)) throw new AppError('not_found', 'that is no id of a token')
          await revokeToken(tx, tokenId)
          await audit(tx, 'token.revoked', tokenId)
          say(`token ${tokenId} is revoked`)
        }),
      ),
    )
}

type Transaction = Parameters<typeof createStaff>[0]

async function create(tx: Transaction, { name, roles, staff, days }: CreateOptions): Promise<void> {
  if (roles === undefined && staff === undefined) {
    throw new AppError('invalid_request', 'neither --roles nor --staff is given', {
      fix: 'Give the roles of a new member of staff, or the id of a known one.',
    })
  }
  if (staff !== undefined && !ID.test(staff))
    throw new AppError('invalid_request', 'that is no id of a member of staff')
  const staffId = staff ?? (await createStaff(tx, { name, roles: roles ?? [] }))
  const { tokenId, secret } = await createToken(tx, { staffId, label: name, expiresInDays: days })
  await audit(tx, 'token.created', tokenId, { staff_id: staffId, new_staff: staff === undefined })
  complain(`token ${tokenId} of member of staff ${staffId}, valid for ${days} days; it is shown this once:`)
  say(secret)
}

/** Whoever acts by the database has no name here; that it was the command line is on record. */
const audit = (tx: Transaction, action: string, tokenId: string, detail: Record<string, unknown> = {}) =>
  appendAudit(tx, { staffId: null, action, subjectKind: 'token', subjectId: tokenId, detail: { ...detail, by: 'cli' } })

function lineOf(row: TokenRow): string {
  const state = row.revoked_at !== null ? 'revoked' : row.expires_at.getTime() <= Date.now() ? 'expired' : 'valid'
  const until = row.expires_at.toISOString().slice(0, 10)
  const used = row.last_used_at?.toISOString().slice(0, 16) ?? 'never'
  return [row.id, state, `until ${until}`, `used ${used}`, row.roles.join(','), row.staff_id, row.name, row.label].join(
    '\t',
  )
}

function rolesOf(text: string): Role[] {
  const roles = text.split(',').map((role) => role.trim())
  const unknown = roles.find((role) => !(ROLES as readonly string[]).includes(role))
  if (unknown !== undefined)
    throw new InvalidArgumentError(`there is no role ${unknown}; roles are ${ROLES.join(', ')}`)
  return [...new Set(roles)] as Role[]
}

function daysOf(text: string): number {
  const days = Number(text)
  if (!Number.isInteger(days) || days < 1 || days > LONGEST_DAYS) {
    throw new InvalidArgumentError(`a number from 1 to ${LONGEST_DAYS}`)
  }
  return days
}
