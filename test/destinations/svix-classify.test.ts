import { describe, expect, test } from 'vitest'
import { classifySvix, classifySvixQuestion, type SvixAnswer } from '../../src/destinations/svix-classify.ts'

const answer = (status: number | null, given: Partial<SvixAnswer> = {}): SvixAnswer => ({
  status,
  messageId: null,
  body: null,
  retryAfterMs: null,
  error: null,
  lack: null,
  ...given,
})
const withId = (status: number | null) => answer(status, { messageId: 'msg_1', body: '{"id":"msg_1"}' })
const STATUSES = Array.from({ length: 500 }, (_, i) => i + 100)
/** The statuses with which an answer comes to this. */
const statusesOf = (kind: string, classify: (answer: SvixAnswer) => { kind: string } | null, of = answer) =>
  STATUSES.filter((status) => classify(of(status))?.kind === kind)
const range = (from: number, to: number) => STATUSES.filter((status) => status >= from && status <= to)

describe('an answer to "create this message"', () => {
  test('is success with any 2xx that names the message, and with nothing else', () => {
    expect(statusesOf('accepted', classifySvix, withId)).toEqual(range(200, 299))
    expect(statusesOf('accepted', classifySvix)).toEqual([])
    expect(classifySvix(withId(202))).toEqual({ kind: 'accepted', statusCode: 202, response: '{"id":"msg_1"}' })
  })

  test('ends the delivery with 400, 413 and 422 only', () => {
    expect(statusesOf('rejected', classifySvix)).toEqual([400, 413, 422])
  })

  test('pauses the destination with 401, 403 and 429 only', () => {
    expect(statusesOf('pause', classifySvix)).toEqual([401, 403, 429])
  })

  test('has to be confirmed with 409 only', () => {
    expect(statusesOf('confirm', classifySvix)).toEqual([409])
  })

  test('leaves it open with every other status: the same is tried again', () => {
    const others = STATUSES.filter((status) => ![400, 401, 403, 409, 413, 422, 429].includes(status))
    expect(statusesOf('refused', classifySvix)).toEqual(others)
    for (const status of others)
      expect(classifySvix(answer(status, { body: 'why' }))).toMatchObject({ statusCode: status, response: 'why' })
  })

  test.each([
    [200, 'answered success without a message id, so it may not be Svix'],
    [204, 'answered success without a message id, so it may not be Svix'],
    [302, 'Svix answered 302'],
    [404, 'Svix does not know the application: check SVIX_APP_ID'],
    [408, 'Svix answered 408'],
    [410, 'Svix answered 410'],
    [425, 'Svix answered 425'],
    [500, 'Svix answered 500'],
    [599, 'Svix answered 599'],
  ])('%d is said in words', (status, error) => {
    expect(classifySvix(answer(status))).toMatchObject({ kind: 'refused', error })
  })

  test.each([408, 503, 404, 200])('%d with a wait that was asked for is a wait for all', (status) => {
    expect(classifySvix(answer(status, { retryAfterMs: 7_000 }))).toMatchObject({ retryAfterMs: 7_000 })
    expect(classifySvix(answer(status))).toMatchObject({ retryAfterMs: null })
  })

  test.each([
    [429, 'rate_limited', 'Svix limits the rate'],
    [401, 'credentials', 'Svix refuses the credentials (401): check SVIX_TOKEN'],
    [403, 'credentials', 'Svix refuses the credentials (403): check SVIX_TOKEN'],
  ])('%d pauses because of %s, for as long as it says', (status, reason, error) => {
    expect(classifySvix(answer(status))).toEqual({ kind: 'pause', reason, error, waitMs: null })
    expect(classifySvix(answer(status, { retryAfterMs: 5 }))).toEqual({ kind: 'pause', reason, error, waitMs: 5 })
  })

  test.each([
    [null, 'Svix refuses the message: answered 422'],
    ['', 'Svix refuses the message: answered 422'],
    ['no such type', 'Svix refuses the message: answered 422: no such type'],
    ['x'.repeat(600), `Svix refuses the message: answered 422: ${'x'.repeat(500)}`],
  ])('422 gives the reason of a body %s', (body, error) => {
    expect(classifySvix(answer(422, { body }))).toEqual({ kind: 'rejected', statusCode: 422, response: body, error })
  })

  test('that never came says what went wrong', () => {
    expect(classifySvix(answer(null, { error: 'connection refused by x' }))).toEqual({
      kind: 'unreachable',
      error: 'connection refused by x',
    })
    expect(classifySvix(answer(null))).toEqual({ kind: 'unreachable', error: 'no answer' })
  })
})

describe('an answer to "do you have this message"', () => {
  test('is yes with any 2xx that names a message', () => {
    expect(statusesOf('accepted', classifySvixQuestion, withId)).toEqual(range(200, 299))
    expect(statusesOf('accepted', classifySvixQuestion)).toEqual([])
  })

  test('is no with 404 only', () => {
    expect(STATUSES.filter((status) => classifySvixQuestion(answer(status)) === null)).toEqual([404])
  })

  test('never ends a delivery: what is wrong with the question is not wrong with the message', () => {
    expect(statusesOf('rejected', classifySvixQuestion)).toEqual([])
    for (const status of [400, 409, 413, 422])
      expect(classifySvixQuestion(answer(status, { body: 'why', retryAfterMs: 9 }))).toEqual({
        kind: 'refused',
        statusCode: status,
        response: 'why',
        error: `Svix answered ${status} when asked for the message`,
        isOverload: false,
        retryAfterMs: 9,
      })
  })

  test('otherwise means what it means to "create"', () => {
    const same = STATUSES.filter((status) => ![400, 404, 409, 413, 422].includes(status))
    for (const status of [...same, null])
      expect(classifySvixQuestion(answer(status))).toEqual(classifySvix(answer(status)))
  })
})
