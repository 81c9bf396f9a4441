import { isObject, type Json, list, text } from '../values.ts'

const VALUES = ['value', 'boolValue', 'intValue', 'multiValue', 'multiIntValue', 'messageValue', 'multiMessageValue']

/** The parameters of an event by name; each has one value of one type. */
export function parametersOf(event: Json): Json {
  const named: [string, unknown][] = []
  for (const parameter of list(event['parameters']).filter(isObject)) {
    const name = text(parameter['name'])
    const kind = VALUES.find((member) => parameter[member] !== undefined)
    if (name !== undefined && kind !== undefined) named.push([name, parameter[kind]])
  }
  return Object.fromEntries(named)
}
