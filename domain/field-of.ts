/**
 * A function of its own for a field: what reads one field of all records knows where it is, what is shared by several
 * fields looks for its name each time. The name gets into it as a JSON text, which is what it is in a program.
 */
export const fieldOf = (key: string) =>
  new Function('record', `return record[${JSON.stringify(key)}]`) as (
    record: Readonly<Record<string, unknown>>,
  ) => unknown
