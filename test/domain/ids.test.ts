import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIds, endId, idTime, isId, startId } from '../../src/domain/ids.ts'
import type { EndpointId, MessageId } from '../../src/domain/ids.ts'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const EPOCH = 1_400_000_000_000
const LAST = EPOCH + 2 ** 32 * 1_000 - 4
const MAX = 'aWgEPTl1tmebfsQzFP4bxwgy80V'
const T = 1_700_000_000_000

const time = () => fc.integer({ min: EPOCH, max: LAST + 3 })

/** The specification of the format, slow and plain. */
function base62(bytes: Uint8Array): string {
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (let i = 0; i < 27; i++, value /= 62n) text = DIGITS.charAt(Number(value % 62n)) + text
  return text
}

function reference(ms: number, random: Uint8Array): string {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(Math.floor(ms / 1_000) - 1_400_000_000)
  head.writeUInt8((ms % 1_000) >> 2, 4)
  return base62(Buffer.concat([head, random]))
}

/** An id with these two bytes at the end of its seconds and in the place of its 4 ms. */
const withBytes = (fourth: number, fifth: number): MessageId =>
  `msg_${base62(Uint8Array.of(0x12, 0x34, 0x56, fourth, fifth, ...new Uint8Array(15)))}`

const valueOf = (id: string) => Array.from(id.slice(-27)).reduce((sum, c) => sum * 62n + BigInt(DIGITS.indexOf(c)), 0n)

/** A generator whose clock the test turns, and whose every draw of randomness is `byte` throughout. */
function turned(byte = 0x5a) {
  const clock = { ms: T, draws: 0 }
  const ids = createIds({
    now: () => clock.ms,
    randomBytes(n) {
      clock.draws++
      return new Uint8Array(n).fill(byte)
    },
  })
  return { clock, ids }
}

const sorted = (ids: readonly string[]) => [...ids].sort()

test('an id is the prefix and 27 base62 digits of seconds, 4 ms and random bytes', () => {
  fc.assert(
    fc.property(time(), fc.uint8Array({ minLength: 15, maxLength: 15 }), (ms, random) => {
      const pool = (n: number) => Uint8Array.from({ length: n }, (_, i) => random[i % 15] ?? 0)
      const ids = createIds({ now: () => LAST, randomBytes: pool })
      ids.next('msg')
      // Older than the last id, so that all fifteen bytes are as drawn.
      fc.pre(ms < LAST)
      expect(ids.next('msg', ms)).toBe(`msg_${reference(ms, random)}`)
    }),
  )
})

test('the largest KSUID is the published one', () => {
  expect(base62(new Uint8Array(20).fill(0xff))).toBe(MAX)
  expect(isId('msg', `msg_${MAX}`)).toBe(true)
})

test('ids sort by the time they were made at, whatever is random in them', () => {
  fc.assert(
    fc.property(time(), time(), (a, b) => {
      const older = createIds({ now: () => Math.min(a, b), randomBytes }).next('msg')
      const newer = createIds({ now: () => Math.max(a, b), randomBytes }).next('msg')
      fc.pre(Math.floor(a / 4) !== Math.floor(b / 4))
      expect(older < newer).toBe(true)
      expect(Buffer.compare(Buffer.from(older), Buffer.from(newer))).toBe(-1)
    }),
  )
})

test('one generator makes rising ids within 4 ms, over 62 carries and when its clock goes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 300 }), (steps) => {
      const { clock, ids } = turned()
      const made = steps.map((step) => {
        clock.ms += step
        return ids.next('msg')
      })
      expect(made).toEqual(sorted(made))
      expect(new Set(made).size).toBe(made.length)
      expect(made.every((id) => isId('msg', id))).toBe(true)
    }),
  )
})

test('a hundred thousand ids of one bucket rise by exactly one', () => {
  const { ids } = turned()
  const first = valueOf(ids.next('msg'))
  let last = ''
  for (let i = 0; i < 100_000; i++) last = ids.next('msg')
  expect(valueOf(last) - first).toBe(100_000n)
})

test('ids of different prefixes share one sequence', () => {
  const { ids } = turned()
  const made = [ids.next('msg'), ids.next('atmpt'), ids.next('msg'), ids.next('ep')]
  const numbers = made.map((id) => id.slice(-27))
  expect(numbers).toEqual(sorted(numbers))
  expect(new Set(numbers).size).toBe(4)
})

test('random bytes of all ones do not carry into the time', () => {
  const { ids } = turned(0xff)
  for (let i = 0; i < 1_000; i++) expect(idTime(ids.next('msg'))).toBe(T)
})

test('a new bucket starts from fresh random bytes', () => {
  let drawn = 0
  const ids = createIds({ now: () => T, randomBytes: (n) => Uint8Array.from({ length: n }, () => drawn++ % 251) })
  const made = [0, 4, 8, 12].map((ms) => ids.next('msg', T + ms))
  expect(made.map((id) => id.slice(-20))).toHaveLength(new Set(made.map((id) => id.slice(-20))).size)
})

test('an explicit time is always the time of the id', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: T - 1_000, max: T + 1_000 }), { minLength: 1 }), (times) => {
      const { ids } = turned()
      for (const ms of times) expect(idTime(ids.next('atmpt', ms))).toBe(Math.floor(ms / 4) * 4)
    }),
  )
})

test('an explicit time in the last bucket goes on with its sequence', () => {
  const { ids } = turned()
  const made = [ids.next('msg', T), ids.next('msg', T + 3), ids.next('msg', T + 1), ids.next('msg')]
  expect(made).toEqual(sorted(made))
  expect(new Set(made).size).toBe(4)
})

test('an explicit time before the last bucket gets random bytes of its own and leaves the sequence alone', () => {
  const { ids } = turned()
  const control = turned()
  const fresh = createIds({ now: () => T, randomBytes })
  expect(ids.next('msg')).toBe(control.ids.next('msg'))
  ids.next('msg', T - 10_000)
  expect(ids.next('msg')).toBe(control.ids.next('msg'))

  fresh.next('msg')
  const old = Array.from({ length: 1_000 }, () => fresh.next('msg', T - 1))
  expect(new Set(old).size).toBe(1_000)
  expect(old).not.toEqual(sorted(old))
})

test('randomness is drawn in advance, and no byte of it is used twice', () => {
  const source = randomBytes(15 * 1_000)
  let offset = 0
  const ids = createIds({ now: () => T, randomBytes: (n) => source.subarray(offset, (offset += n)) })
  ids.next('msg')
  const made = Array.from({ length: 500 }, () => ids.next('msg', T - 4))
  const expected = Array.from(made, (_, i) => `msg_${reference(T - 4, source.subarray((i + 1) * 15, (i + 2) * 15))}`)
  expect(made).toEqual(expected)
})

test('start and end of a time enclose its 4 ms and nothing else', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: EPOCH, max: LAST - 1 }),
      fc.uint8Array({ minLength: 15, maxLength: 15 }),
      (ms, random) => {
        const id = `msg_${reference(ms, random)}`
        expect(startId('msg', ms) <= id && id <= endId('msg', ms)).toBe(true)
        expect(endId('msg', ms) < startId('msg', ms + 4)).toBe(true)
        expect(idTime(startId('msg', ms))).toBe(Math.floor(ms / 4) * 4)
        expect(idTime(endId('msg', ms))).toBe(Math.floor(ms / 4) * 4)
      },
    ),
  )
})

test('a time outside of the format is the nearest inside', () => {
  expect(startId('msg', 0)).toBe('msg_000000000000000000000000000')
  expect(startId('msg', -1)).toBe(startId('msg', EPOCH))
  expect(startId('msg', -Infinity)).toBe(startId('msg', EPOCH))
  expect(idTime(endId('msg', LAST + 4))).toBe(LAST)
  expect(endId('msg', Number.MAX_VALUE)).toBe(endId('msg', LAST))
  expect(isId('msg', endId('msg', Infinity))).toBe(true)
})

test('fractions of a millisecond are within it', () => {
  expect(startId('msg', T + 3.999)).toBe(startId('msg', T))
})

test('start is the smallest id of its time, end the greatest', () => {
  expect(startId('msg', T)).toBe(`msg_${reference(T, new Uint8Array(15))}`)
  expect(endId('msg', T)).toBe(`msg_${reference(T, new Uint8Array(15).fill(0xff))}`)
})

test('the time of an id never falls along the order of ids, not even of foreign ones with an impossible fifth byte', () => {
  const ids = [withBytes(1, 0), withBytes(1, 249), withBytes(1, 250), withBytes(1, 255), withBytes(2, 0)]
  const start = idTime(withBytes(1, 0))
  expect(ids).toEqual(sorted(ids))
  expect(ids.map((id) => idTime(id) - start)).toEqual([0, 996, 996, 996, 1_000])
})

test.each([
  ['another prefix', `ep_${MAX}`],
  ['a longer prefix', `xmsg_${MAX}`],
  ['no prefix', MAX],
  ['no separator', `msg${MAX}`],
  ['two separators', `msg__${MAX.slice(1)}`],
  ['only the prefix', 'msg_'],
  ['nothing', ''],
  ['26 digits', `msg_${MAX.slice(1)}`],
  ['28 digits', `msg_${MAX}0`],
  ['a leading space', ` msg_${MAX}`],
  ['a trailing line end', `msg_${MAX}\n`],
  ['a sign within', `msg_${MAX.slice(0, 13)}-${MAX.slice(14)}`],
  ['a letter beyond ASCII', `msg_${MAX.slice(0, 26)}é`],
  ['a digit of two code units', `msg_${MAX.slice(0, 25)}😀`],
  ['one more than 160 bits hold', 'msg_aWgEPTl1tmebfsQzFP4bxwgy80W'],
  ['the largest 27 digits', `msg_${'z'.repeat(27)}`],
])('%s is no message id', (_, text) => {
  expect(isId('msg', text)).toBe(false)
})

test('the time of something that is no id is an error, not a number', () => {
  expect(() => idTime('msg_nonsense')).toThrow(RangeError)
  expect(() => idTime(`msg_${'z'.repeat(27)}`)).toThrow(RangeError)
})

test('ids of different kinds cannot be swapped', () => {
  // @ts-expect-error an endpoint id is not a message id
  const wrong: MessageId = turned().ids.next('ep')
  const right: EndpointId = turned().ids.next('ep')
  expect(wrong).toBe(right)
})
