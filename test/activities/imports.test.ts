import { proveAll } from './proving.ts'
import { backfills } from './scenarios/backfills.ts'
import { imports } from './scenarios/imports.ts'
import { processes } from './scenarios/processes.ts'
import { uploads } from './scenarios/uploads.ts'

proveAll({ ...imports, ...processes, ...uploads, ...backfills })
