import { describe, expect, test } from 'vitest'
import { editDistance, nearest } from '../../src/lib/nearest.ts'

describe('the distance of two words', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['event_type', 'event_types', 1],
    ['abc', 'abc', 0],
  ])('%j and %j: %i', (a, b, distance) => {
    expect([editDistance(a, b), editDistance(b, a)]).toEqual([distance, distance])
  })
})

describe('the word that was meant', () => {
  const known = ['target_url', 'secret', 'event_types', 'rate_limit', 'retry_schedule', 'timeout', 'headers']
  test.each<[string, string | null]>([
    ['event_type', 'event_types'],
    ['eventTypes', 'event_types'],
    ['Secret', 'secret'],
    ['url', 'target_url'],
    ['time_out', 'timeout'],
    ['colour', null],
    ['', null],
    ['secret'.repeat(20), null],
  ])('by %j is %j', (word, meant) => {
    expect(nearest(word, known)).toBe(meant)
  })
})
