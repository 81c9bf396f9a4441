import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longest, the longest first: begun last, one of them would keep the other cores waiting for its end. */
const LONGEST = [
  'test/ten-years.test.ts',
  'test/conformance/conformance.test.ts',
  'test/activities/imports.test.ts',
  'test/activities/people.test.ts',
  'test/new-connector.test.ts',
  'test/serving.test.ts',
  'cli/embedded/embedded.test.ts',
  'test/conformance/safeguards.test.ts',
  'test/relations.test.ts',
  'test/hostile-surroundings.test.ts',
  'test/any-order.test.ts',
  'test/crash/killed.test.ts',
  'test/microsoft/runs.test.ts',
  'test/workflows/continuing.test.ts',
  'test/api/story.test.ts',
  'test/api/nouns.test.ts',
]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}`))
      return at === -1 ? LONGEST.length : at
    }
    const others = await super.sort(files)
    return others.sort((a, b) => rank(a) - rank(b))
  }
}
