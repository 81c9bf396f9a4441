import { readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { build, type Plugin } from 'esbuild'

const root = path.join(import.meta.dirname, '../..')
const SHIPPED = ['--import', 'tsx', 'cli/openirm.ts']

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
 * Writes the `openirm` command as JavaScript into a folder and returns its file. Half of the start of a process is else
 * the translation of the same modules, again for every command that a test runs.
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
    packages: 'external',
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
