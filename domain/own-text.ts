/**
 * The same text in memory of its own. A part that was cut from a larger text keeps the whole of it alive, so whoever
 * keeps a cell for longer than its row keeps a copy.
 */
export const ownText = (text: string): string => Buffer.from(text).toString()
