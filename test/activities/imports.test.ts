import { proveAll } from './proving.ts'
import { imports } from './scenarios/imports.ts'
import { processes } from './scenarios/processes.ts'

proveAll({ ...imports, ...processes })
