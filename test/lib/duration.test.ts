import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DURATION_MAX_MS, formatDuration, parseDuration } from '../../src/lib/duration.ts'

test.each([
  ['250ms', 250],
  ['10s', 10_000],
  ['5m', 300_000],
  ['72h', 259_200_000],
  ['90d', 7_776_000_000],
  ['1.5s', 1_500],
  ['0.25s', 250],
  ['1.005s', 1_005],
  ['0s', 0],
  ['007s', 7_000],
  ['3650d', DURATION_MAX_MS],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  '',
  '10',
  's',
  '-5s',
  '+5s',
  '10 s',
  ' 10s',
  '10s ',
  '10s\n',
  '10S',
  '10sec',
  '1h30m',
  '1e3s',
  '.5s',
  '5.s',
  '1,5s',
  '0x10s',
  'NaNs',
  'Infinitys',
  '١s',
  '3651d',
  '3650.0000001d',
  '99999999999999999999d',
  `${'9'.repeat(400)}ms`,
  '0.5ms',
  '0.0001s',
  '1.23456789s',
  '5toString',
  '5constructor',
])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeNull()
})

test.each([
  [0, '0ms'],
  [1, '1ms'],
  [100, '100ms'],
  [250, '250ms'],
  [999, '999ms'],
  [1_000, '1s'],
  [1_500, '1.5s'],
  [10_000, '10s'],
  [60_000, '1m'],
  [90_000, '90s'],
  [100_001, '100.001s'],
  [300_000, '5m'],
  [5_400_000, '90m'],
  [259_200_000, '3d'],
])('%d ms is written %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test('every whole number of milliseconds is read back as it was written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: DURATION_MAX_MS }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms)
    }),
  )
})

test('every round number of some unit is read back, and never written longer than that unit would', () => {
  const units = [
    ['ms', 1],
    ['s', 1_000],
    ['m', 60_000],
    ['h', 3_600_000],
    ['d', 86_400_000],
  ] as const
  fc.assert(
    fc.property(fc.constantFrom(...units), fc.integer({ min: 1, max: 3_650 }), ([unit, unitMs], count) => {
      const text = formatDuration(count * unitMs)
      expect(parseDuration(text)).toBe(count * unitMs)
      expect(text.length).toBeLessThanOrEqual(`${count}${unit}`.length)
    }),
  )
})
