import { proveAll } from './proving.ts'
import { imports } from './scenarios/imports.ts'
import { processes } from './scenarios/processes.ts'
import { uploads } from './scenarios/uploads.ts'

proveAll({ ...imports, ...processes, ...uploads })
