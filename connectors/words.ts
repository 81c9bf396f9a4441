const MAX_WORD = 60

/** A vendor's name as a flag or category: `DefenseEvasion` → `defense_evasion`. */
export const snake = (name: string): string =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .slice(0, MAX_WORD) || 'unknown'
