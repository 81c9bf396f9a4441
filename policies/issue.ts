import type { z } from 'zod'

type Issue = z.core.$ZodIssue

export interface Explained {
  /** Path of the field, dotted; empty for the document itself. */
  field: string
  what: string
  fix: string
}

/** The first thing that is wrong with a document, in words; of alternatives, the one that the author most likely meant. */
export function explainIssue(error: z.ZodError): Explained {
  const { issue, path } = innermost(error.issues[0] as Issue, [])
  return { field: path.join('.'), ...wordsFor(issue) }
}

function innermost(issue: Issue, above: readonly PropertyKey[]): { issue: Issue; path: PropertyKey[] } {
  const path = [...above, ...issue.path]
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return { issue, path }
  // The alternative that fits best: fewest complaints, and those deepest inside.
  const [meant] = issue.errors
    .filter((issues) => issues.length > 0)
    .sort((a, b) => complaints(a) - complaints(b) || depth(b) - depth(a))
  return meant?.[0] ? innermost(meant[0], path) : { issue, path }
}

const complaints = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0)

const depth = (issues: readonly Issue[]): number => issues[0]?.path.length ?? 0

function wordsFor(issue: Issue): Pick<Explained, 'what' | 'fix'> {
  switch (issue.code) {
    case 'unrecognized_keys':
      return {
        what: `unknown ${issue.keys.join(', ')}`,
        fix: `Remove ${issue.keys.join(', ')}, or correct its spelling.`,
      }
    case 'invalid_value':
      return { what: 'not one of the known values', fix: `Use one of: ${issue.values.map(String).join(', ')}.` }
    case 'invalid_union':
      return { what: 'not one of the known forms', fix: 'Compare with the files in policies/indicators.' }
    default:
      return { what: issue.message, fix: 'Compare with the files in policies/indicators and policies/templates.' }
  }
}
