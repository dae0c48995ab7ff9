import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { GatewayError } from '../../src/domain/errors.ts'
import { Bodies } from '../../src/http/bodies.ts'

const KB = 1_024

/** Bodies of at most 512 KB each and together, and what became of them. */
function receive() {
  const ended: string[] = []
  let refused = 0
  const bodies = new Bodies({ bodyBytesMax: 512 * KB, bodyBytesInProgressMax: 512 * KB }, () => refused++)
  return {
    bodies,
    ended,
    refused: () => refused,
    /** Begins a body that is not announced; the function that is returned adds to it. */
    begin: (name: string) => {
      const message = new IncomingMessage(new Socket())
      bodies.read(message, (error) => ended.push(`${name} ${error instanceof GatewayError ? error.code : 'taken'}`))
      return (kb: number) => message.emit('data', Buffer.alloc(kb * KB))
    },
  }
}

test('bodies on their way never hold more than their bound, however many small ones a large one meets', () => {
  const { bodies, ended, refused, begin } = receive()
  for (let count = 0; count < 16; count++) begin(`small ${count}`)(1)
  expect(bodies.bytes).toBe(16 * 16 * KB)
  const grow = begin('large')
  // Its memory doubles with this piece, and all of the small ones have to go for it.
  for (let kb = 0; kb < 256; kb += 16) grow(16)
  expect(bodies.bytes).toBe(512 * KB)
  expect(ended).toEqual([])
  grow(1)
  expect(bodies.bytes).toBe(512 * KB)
  expect(ended).toEqual(Array.from({ length: 16 }, (_, count) => `small ${count} overloaded`))
  expect(refused()).toBe(16)
})

test('a body that is begun first is refused first, also where it is the one that grows', () => {
  const { bodies, ended, begin } = receive()
  const grow = begin('first')
  grow(256)
  begin('second')(256)
  grow(1)
  expect(ended).toEqual(['first overloaded'])
  expect(bodies.bytes).toBe(256 * KB)
})
