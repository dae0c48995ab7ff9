import { afterAll, describe, expect, test } from 'vitest'
import { type Issue, startGateway } from './gateway.ts'
import { bytesOf, find, inboxMessage, list, post, type Posted, refused, SECRET, sign, take } from './inbox-gateway.ts'

const gateway = await startGateway({ WEBHOOK_SECRET: SECRET })
afterAll(() => gateway[Symbol.asyncDispose]())

/** The places that a refusal names, each once, as `body.ts`. Every issue has all of its members. */
async function problemsOf(posted: Posted): Promise<string[]> {
  const body = bytesOf(posted)
  const answer = await refused(gateway, { body, headers: { 'x-signature': sign(body) } })
  expect(answer.status).toBe(422)
  const { detail, ...rest } = answer.json<{ detail: Issue[]; code: string }>()
  expect(rest).toEqual({ code: 'validation' })
  for (const issue of detail) {
    expect(issue).toEqual({ loc: expect.any(Array), msg: expect.any(String), type: expect.stringMatching(/^[a-z_]+$/) })
    expect(issue.msg).not.toBe('')
  }
  return [...new Set(detail.map((issue) => issue.loc.join('.')))]
}

/** A valid message with some members replaced, or taken out where they are undefined. */
const but = (changes: Record<string, unknown>) => ({ ...inboxMessage(), ...changes })

/** JSON with one character written as `\uXXXX`, which JSON.stringify does not do for all. */
const escaped = (changes: Record<string, string>) => JSON.stringify(but(changes)).replaceAll('\\\\u', '\\u')

describe('a body that is no message is refused', () => {
  test.each<[string, Posted]>([
    ['nothing', ''],
    ['space', ' '],
    ['no JSON', 'message_id=m1&from=%2B1'],
    ['half of it', JSON.stringify(inboxMessage()).slice(0, -1)],
    ['two of it', `${JSON.stringify(inboxMessage())}{}`],
    ['JSON with single quotes', "{'message_id':'m1'}"],
    ['JSON with a comma too many', JSON.stringify(inboxMessage()).replace('}', ',}')],
    ['JSON behind a byte order mark', `\ufeff${JSON.stringify(inboxMessage())}`],
    ['JSON in UTF-16', Buffer.from(JSON.stringify(inboxMessage()), 'utf16le')],
    ['JSON with bytes that are no UTF-8', Buffer.from(JSON.stringify(inboxMessage({ text: 'é' })), 'latin1')],
    [
      'UTF-8 with an encoded surrogate',
      Buffer.concat([Buffer.from('"'), Buffer.of(0xed, 0xa0, 0x80), Buffer.from('"')]),
    ],
    ['null', 'null'],
    ['true', 'true'],
    ['a number', '1'],
    ['a string', JSON.stringify(JSON.stringify(inboxMessage()))],
    ['a list', [inboxMessage()]],
  ])('when it is %s', async (_, body) => {
    expect(await problemsOf(body)).toEqual(['body'])
  })

  test('with every member that it lacks', async () => {
    const required = ['body.message_id', 'body.from', 'body.to', 'body.ts']
    expect(await problemsOf({})).toEqual(required)
    expect(await problemsOf({ text: 'Hello', Message_ID: 'm1', FROM: '+1' })).toEqual(required)
    expect(await problemsOf('{"__proto__": {"message_id": "m1", "from": "+1"}}')).toEqual(required)
    expect(await problemsOf(but({ from: undefined, ts: undefined }))).toEqual(['body.from', 'body.ts'])
  })

  test('with every member that is of the wrong kind', async () => {
    const all = ['body.message_id', 'body.from', 'body.to', 'body.ts', 'body.text']
    for (const wrong of [7, true, [], {}, ['+1']])
      expect(await problemsOf({ message_id: wrong, from: wrong, to: wrong, ts: wrong, text: wrong })).toEqual(all)
    const none = { message_id: null, from: null, to: null, ts: null }
    expect(await problemsOf({ ...none, text: null })).toEqual(all.slice(0, 4))
    expect(await problemsOf(but({ ts: 1_736_935_200 }))).toEqual(['body.ts'])
    expect(await problemsOf(but({ from: 919_876_543_210 }))).toEqual(['body.from'])
  })

  test('with every member whose value is wrong', async () => {
    const wrong = { message_id: '', from: '919876543210', to: '+', ts: '2025-02-30T00:00:00Z', text: 'x'.repeat(4_097) }
    expect(await problemsOf(wrong)).toEqual(['body.message_id', 'body.from', 'body.to', 'body.ts', 'body.text'])
  })
})

describe.each(['from', 'to'])('%s', (name) => {
  test.each([
    '',
    '+',
    '919876543210',
    '++919876543210',
    '+91 98765',
    '+91-98765',
    '+9198765x',
    ' +9198765',
    '+9198765 ',
    '+9198765\n',
    '+9198765\0',
    '00919876543210',
    '+٩١٩٨',
    '+９１',
    '＋91',
    'tel:+91',
    '+91;ext=1',
    '+1.5',
    '+1e5',
  ])('%j is refused', async (number) => {
    expect(await problemsOf(but({ [name]: number }))).toEqual([`body.${name}`])
  })

  test.each(['+1', '+0', '+919876543210', `+${'9'.repeat(15)}`])('%s is taken', async (number) => {
    expect((await post(gateway, but({ [name]: number }))).json()).toEqual({ status: 'ok' })
  })

  test('has at most 1024 characters', async () => {
    await take(gateway, but({ [name]: `+${'1'.repeat(1_023)}` }))
    expect(await problemsOf(but({ [name]: `+${'1'.repeat(1_024)}` }))).toEqual([`body.${name}`])
  })
})

describe('ts', () => {
  test.each([
    '2025-02-29T00:00:00Z',
    '2025-02-30T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2025-04-31T10:00:00Z',
    '2025-13-01T00:00:00Z',
    '2025-00-01T00:00:00Z',
    '2025-01-32T00:00:00Z',
    '2025-01-00T00:00:00Z',
    '2025-01-15T24:00:00Z',
    '2025-01-15T23:60:00Z',
    '2025-01-15T23:59:60Z',
    '0000-01-01T00:00:00Z',
    '2025-01-15T10:00:00',
    '2025-01-15T10:00:00+00:00',
    '2025-01-15T15:30:00+05:30',
    '2025-01-15T10:00:00z',
    '2025-01-15t10:00:00Z',
    '2025-01-15 10:00:00Z',
    '2025-01-15T10:00Z',
    '2025-01-15',
    '10:00:00Z',
    '',
    'now',
    '2025-01-15T10:00:00.Z',
    '2025-01-15T10:00:00,5Z',
    '2025-01-15T10:00:00Z\n',
    ' 2025-01-15T10:00:00Z',
    '+002025-01-15T10:00:00Z',
    '-000001-01-01T00:00:00Z',
    '1736935200',
  ])('%j is refused', async (ts) => {
    expect(await problemsOf(but({ ts }))).toEqual(['body.ts'])
  })

  test.each([
    '2024-02-29T23:59:59Z',
    '2000-02-29T00:00:00Z',
    '2025-12-31T23:59:59Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999Z',
    '2025-01-15T10:00:00.0Z',
    '2025-01-15T10:00:00.123456789Z',
  ])('%s is taken, and listed as it was written', async (ts) => {
    const message = inboxMessage({ ts })
    await take(gateway, message)
    expect((await list(gateway, { since: ts })).data).toContainEqual(message)
  })
})

describe('text', () => {
  const sizes = [
    ['ASCII', 'a'],
    ['umlauts', 'ü'],
    ['astral characters', '😀'],
    ['combining marks', '\u0301'],
  ] as const

  test.each(sizes)('of 4096 characters is taken, and one more is refused: %s', async (_, character) => {
    const longest = inboxMessage({ from: '+2001', text: character.repeat(4_096) })
    await take(gateway, longest)
    expect((await list(gateway, { from: '+2001', limit: 100 })).data).toContainEqual(longest)
    expect(await problemsOf(but({ text: character.repeat(4_097) }))).toEqual(['body.text'])
  })

  test('of ordinary and astral characters is counted by characters, and not by halves of pairs', async () => {
    await take(gateway, but({ text: 'a' + '😀'.repeat(4_095) }))
    expect(await problemsOf(but({ text: 'aa' + '😀'.repeat(4_095) }))).toEqual(['body.text'])
  })

  test('may be missing, null or empty', async () => {
    const messages = [but({ text: undefined }), but({ text: null }), but({ text: '' })]
    await take(gateway, ...messages.map((message) => ({ ...message, from: '+2002' })))
    const { data } = await list(gateway, { from: '+2002' })
    expect(new Set(data.map((message) => message.text))).toEqual(new Set(['', null]))
    expect(data).toHaveLength(3)
  })

  test.each([
    '\0',
    'a\0b',
    '\u0001\u001f\u007f',
    '\u2028\u2029',
    '\ufeff\ufffe\uffff',
    "'; DROP TABLE messages; --",
    '\\ " % _',
  ])('%j is kept as it is, and found', async (text) => {
    const message = inboxMessage({ from: '+2003', text: `before${text}after` })
    await take(gateway, message)
    expect((await list(gateway, { from: '+2003', q: `E${text}A` })).data).toEqual([message])
  })

  test.each(['\\ud800', '\\udc00', 'a\\ud83d', '\\ude00\\ud83d'])(
    'with half of a surrogate pair is refused: %s',
    async (half) => {
      expect(await problemsOf(escaped({ text: half }))).toEqual(['body.text'])
    },
  )

  test('with both halves of a pair is taken', async () => {
    const body = escaped({ from: '+2004', text: '\\ud83d\\ude00' })
    expect(body).toContain('"\\ud83d\\ude00"')
    await take(gateway, body)
    expect((await list(gateway, { from: '+2004' })).data).toMatchObject([{ text: '😀' }])
  })
})

describe('message_id', () => {
  const longest = 'x'.repeat(1_024)

  test.each([
    ' ',
    '0',
    'wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSQ==',
    'a/b?c#d%20&e=f',
    'ünï 😀',
    'a\nb',
    "'--",
    '__proto__',
  ])('%j is taken, once', async (messageId) => {
    const message = inboxMessage({ message_id: messageId })
    await take(gateway, message, message)
    const { data } = await list(gateway, { limit: 100, from: message.from })
    expect(data.filter((one) => one.message_id === messageId)).toEqual([message])
  })

  test('is told apart by every character, by its case and by its composition', async () => {
    const ids = ['id', 'ID', 'id ', ' id', 'i\0d', 'i\0e', 'é', 'e\u0301', '1', '01', '１', longest, longest.slice(1)]
    await take(gateway, ...ids.map((id) => inboxMessage({ message_id: id, from: '+2005' })))
    expect((await find(gateway, { from: '+2005' })).sort()).toEqual([...ids].sort())
  })

  test.each(['', '\\ud800', '\\udfff!'])('%j is refused', async (messageId) => {
    expect(await problemsOf(escaped({ message_id: messageId }))).toEqual(['body.message_id'])
  })

  test('of more than 1024 characters is refused', async () => {
    for (const messageId of [`${longest}x`, longest.repeat(500)])
      expect(await problemsOf(but({ message_id: messageId }))).toEqual(['body.message_id'])
  })
})

test('members written twice count as JSON counts them: the last one', async () => {
  const message = inboxMessage()
  const body = JSON.stringify(message).replace('{', '{"message_id":"","ts":1,')
  expect((await post(gateway, body)).status).toBe(200)
  expect(await problemsOf(JSON.stringify(inboxMessage()).replace('}', ',"ts":""}'))).toEqual(['body.ts'])
})
