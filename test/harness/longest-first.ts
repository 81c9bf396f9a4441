import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take longest, the longest first: begun last, one of them would keep the other cores waiting for its end. Those
 * that mostly wait themselves, for a clock or a process, stand between those that do not: side by side they would leave
 * the cores idle.
 */
const LONGEST = [
  'test/ten-years.test.ts',
  'test/conformance/conformance.test.ts',
  'test/crash/killed.test.ts',
  'test/activities/imports.test.ts',
  'test/activities/people.test.ts',
  'test/workflows/continuing.test.ts',
  'test/new-connector.test.ts',
  'test/serving.test.ts',
  'test/workflows/schedules.test.ts',
  'test/workflows/continuing-others.test.ts',
  'cli/embedded/embedded.test.ts',
  'test/conformance/safeguards.test.ts',
  'test/backfill.test.ts',
  'test/relations.test.ts',
  'test/hostile-files.test.ts',
  'test/hostile-surroundings.test.ts',
  'sandbox/organisation/organisation.test.ts',
  'test/any-order.test.ts',
  'test/microsoft/runs.test.ts',
  'test/api/nouns.test.ts',
  'test/scan.test.ts',
  'test/pick-up.test.ts',
  'test/logs.test.ts',
  'test/api/samples.test.ts',
  'test/workflows/backfill.test.ts',
  'exporters/syslog/syslog.test.ts',
  'test/microsoft/upload.test.ts',
  'test/workflows/reconcile.test.ts',
  'domain/row-scanner.test.ts',
  'test/api/story.test.ts',
  'test/evidence.test.ts',
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
