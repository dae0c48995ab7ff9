import { expect, test } from 'vitest'
import { z } from 'zod'
import type { GatewayError } from '../../src/domain/errors.ts'
import { InboxBody } from '../../src/flow/inbox.ts'
import { parseJson } from '../../src/flow/receive.ts'
import { IN_PLAIN_WORDS, toIssues } from '../../src/flow/validate.ts'

function problems(schema: z.ZodType, given: unknown, part = 'body'): string[] {
  const parsed = schema.safeParse(given, IN_PLAIN_WORDS)
  return (parsed.error?.issues ?? []).flatMap((issue) => toIssues(issue, part, given)).map(({ msg }) => msg)
}
const a = (member: z.ZodType) => z.object({ a: member })

test.each<[z.ZodType, unknown, string]>([
  [z.string(), 7, 'has to be a string, and is a number'],
  [z.string(), null, 'has to be a string, and is null'],
  [z.object({}), [1], 'has to be an object, and is an array'],
  [z.number().int(), 1.5, 'has to be a whole number'],
  [z.number().min(1), 0, 'has to be at least 1'],
  [z.number().max(9), 10, 'has to be at most 9'],
  [z.string().min(1), '', 'must not be empty'],
  [z.string().max(2), 'abc', 'has more than 2 characters'],
  [z.array(z.number()).max(1), [1, 2], 'has more than 1 members'],
  [z.enum(['x', 'y']), 'z', 'has to be one of "x", "y"'],
  [z.literal('x'), 'z', 'has to be "x"'],
  [z.string().max(2, 'is a mouthful'), 'abc', 'is a mouthful'],
])('a problem is told in the words of the API (%#)', (member, given, words) => {
  expect(problems(a(member), { a: given })).toEqual([words])
})

test('a member that is missing is required', () => {
  expect(problems(a(z.string()), {})).toEqual(['Field required'])
})

test('a parameter that is there twice is told so', () => {
  expect(problems(a(z.string()), { a: ['5', '6'] }, 'query')).toEqual(['is there more than once'])
})

test('a sender that is empty is one problem', () => {
  const message = { message_id: 'm', from: '', to: '+1', ts: '2025-01-15T10:00:00Z' }
  expect(problems(InboxBody, message)).toEqual(['must not be empty'])
})

test.each([
  ['', 'The body is not JSON: it is empty'],
  ['{"card":4111', 'The body is not JSON'],
  ['my secret', 'The body is not JSON'],
  ['{"a": my secret}', 'The body is not JSON'],
  ['{"a":1 "secret":2}', 'The body is not JSON: the fault is at position 7'],
  ['{"a":', 'The body is not JSON: it ends too early'],
])('a refusal of a body that is not JSON has no piece of the body (%#)', (body, words) => {
  let msg = ''
  try {
    parseJson(Buffer.from(body))
  } catch (error) {
    msg = (error as GatewayError).issues?.[0]?.msg ?? ''
  }
  expect(msg).toContain(words)
  expect(msg).not.toMatch(/secret|card|4111/)
})
