import { expect, test } from 'vitest'
import { parseSize } from '../../src/lib/size.ts'

test.each([
  ['0b', 0],
  ['512b', 512],
  ['64kb', 65_536],
  ['1mb', 1_048_576],
  ['1MB', 1_048_576],
  ['1Mb', 1_048_576],
  ['1.5mb', 1_572_864],
  ['2gb', 2_147_483_648],
])('%s is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})

test.each([
  '',
  '1',
  'mb',
  '-1mb',
  '+1mb',
  '1 mb',
  ' 1mb',
  '1mb ',
  '1mb\n',
  '1m',
  '1mib',
  '1tb',
  '1e3b',
  '.5mb',
  '1.mb',
  '1,5mb',
  '0.5b',
  '0.1kb',
  '9007199254740992b',
  `${'9'.repeat(400)}gb`,
  '1toString',
])('%j is no size', (text) => {
  expect(parseSize(text)).toBeNull()
})
