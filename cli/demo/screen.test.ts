import { expect, test } from 'vitest'
import { createScreen } from './screen.ts'

const ESCAPE = '\u001b'
const CONTROLS = new RegExp(`(${ESCAPE}\\[\\d*[AJ]|\\n|\\r)`)
const UP = new RegExp(`^${ESCAPE}\\[(\\d+)A$`)

/** What a terminal shows after these bytes: lines, cursor up, and erase to the end are all that the screen uses. */
function shown(bytes: string): string[] {
  const lines = ['']
  let at = 0
  const pieces = bytes.split(CONTROLS)
  for (const piece of pieces) {
    const up = UP.exec(piece)
    if (up) at -= Number(up[1])
    else if (piece === '\u001b[J') lines.length = at + 1
    else if (piece === '\n') {
      at += 1
      lines[at] ??= ''
    } else if (piece === '\r') lines[at] = ''
    else lines[at] += piece
  }
  return lines.slice(0, -1)
}

function screenOn({ isTTY }: { isTTY: boolean }) {
  let bytes = ''
  const write = (text: string) => {
    bytes += text
    return true
  }
  const out = { isTTY, columns: 60, write } as unknown as NodeJS.WriteStream
  const screen = createScreen(out, { NO_COLOR: '1', TERM: 'xterm' })
  return { screen, bytes: () => bytes, lines: () => shown(bytes).map((line) => line.replace(/ +\d+ ms$/, '')) }
}

function latch(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** Two steps at once; the second one begun ends first. */
async function twoAtOnce({ screen }: ReturnType<typeof screenOn>): Promise<void> {
  const [first, second] = [latch(), latch()]
  const both = [
    screen.step(
      'One',
      () => first.promise,
      () => ['done', 'beneath one'],
    ),
    screen.step(
      'Two',
      (line) => {
        line.show(`words ${'that go on '.repeat(20)}`)
        return second.promise
      },
      () => 'done too',
    ),
  ]
  await new Promise((resolve) => setTimeout(resolve, 250))
  second.resolve()
  await both[1]
  screen.note('between')
  first.resolve()
  await both[0]
}

const ENDED = [
  '  ✔ Two                         done too',
  '      between',
  '  ✔ One                         done',
  '      beneath one',
]

test('steps that are under way at once leave a line each, and nothing of their moving lines', async () => {
  const on = screenOn({ isTTY: true })
  await twoAtOnce(on)
  expect(on.lines()).toEqual(ENDED)
  // They were there meanwhile, one beneath the other, none of them wrapped.
  const meanwhile = on.bytes().slice(0, on.bytes().indexOf('✔'))
  expect(meanwhile).toMatch(/⠙ One\n {2}⠙ Two +words that go on/)
  for (const line of shown(meanwhile)) expect(line.length).toBeLessThan(60)
})

test('what is no terminal gets the ends alone', async () => {
  const on = screenOn({ isTTY: false })
  await twoAtOnce(on)
  expect(on.bytes()).not.toContain('\u001b')
  expect(on.lines()).toEqual(ENDED)
})

test('a step that fails is marked, and what went wrong goes on', async () => {
  const on = screenOn({ isTTY: true })
  const failing = on.screen.step(
    'One',
    () => Promise.reject(new Error('no')),
    () => 'never',
  )
  await expect(failing).rejects.toThrow('no')
  expect(on.lines()).toEqual(['  ✘ One'])
})
