import type { Report, Verdict } from './conformance.ts'

const MARKS: Record<Verdict['state'], string> = { passed: 'ok    ', failed: 'FAILED', cannot: '  –   ' }

/** The report as lines that a connector's author can read: one per scenario, and what is wrong below it. */
export function tableOf({ kind, verdicts, passed }: Report): string[] {
  const width = Math.max(...verdicts.map(({ title }) => title.length))
  const count = (state: Verdict['state']) => verdicts.filter((each) => each.state === state).length
  return [
    `${kind}: ${passed ? 'conforms' : 'does not conform'} (${count('passed')} passed, ${count('failed')} failed, ${count('cannot')} cannot happen)`,
    ...verdicts.flatMap(({ state, title, says }) =>
      state === 'failed'
        ? [`  ${MARKS[state]} ${title}`, ...says.map((problem) => `           ${problem}`)]
        : [`  ${MARKS[state]} ${title.padEnd(width)}${state === 'cannot' ? `  ${says.join('; ')}` : ''}`.trimEnd()],
    ),
  ]
}
