import { readdirSync, readFileSync } from 'node:fs'

/** A process with all its descendants, whatever groups and sessions they are in. Linux only: it reads /proc. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      // pid (command) state ppid …; the command may hold blanks and parentheses.
      const ppid = Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1])
      children.set(ppid, [...(children.get(ppid) ?? []), Number(name)])
    } catch {
      // It has ended meanwhile.
    }
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

/** Kills them all at once: none can tidy up after another. */
export function killTree(root: number): number {
  const tree = treeOf(root)
  for (const pid of tree) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
  }
  return tree.length
}
