import type { TestProject } from 'vitest/node'

/** Whether every test of the project was run and passed: neither files nor names were chosen. */
export async function isWhole(project: TestProject): Promise<boolean> {
  if (project.config.testNamePattern !== undefined) return false
  const { testFiles } = await project.globTestFiles()
  const passed = project.vitest.state
    .getTestModules()
    .filter((file) => file.ok())
    .map(({ moduleId }) => moduleId)
  const ran = new Set(passed)
  return testFiles.every((file) => ran.has(file))
}
