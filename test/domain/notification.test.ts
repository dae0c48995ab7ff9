import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Issue } from '../../src/domain/errors.ts'
import { EVENT_ID_CHARS_MAX, fromBinaryMode, readNotification } from '../../src/domain/notification.ts'

const BODY = Buffer.from('{"as":"it came"}')

function read(value: unknown, isCloudEvent = false) {
  const issues: Issue[] = []
  return { notification: readNotification(value, BODY, { loc: ['body', 3], isCloudEvent }, issues), issues }
}

const plain = (given: object = {}) => ({ id: 'evt_1', type: 'user.created', ...given })
const cloudEvent = (given: object = {}) => ({ specversion: '1.0', source: '/users', ...plain(), ...given })

describe('an event', () => {
  test('has its id, its type, and the bytes that it came as', () => {
    const { notification, issues } = read(plain({ project: 'acme' }))
    expect(issues).toEqual([])
    expect(notification).toEqual({
      eventId: 'evt_1',
      identity: 'evt_1',
      eventType: 'user.created',
      contentType: 'application/json',
      body: BODY,
    })
    expect(notification?.body).toBe(BODY)
  })

  test('that is a CloudEvent is identified by its source and its id', () => {
    expect(read(cloudEvent()).notification).toMatchObject({
      eventId: 'evt_1',
      identity: '["/users","evt_1"]',
      contentType: 'application/cloudevents+json',
    })
  })

  test('with a source but no specversion is a plain one', () => {
    expect(read(plain({ source: '/users' })).notification).toMatchObject({ identity: 'evt_1' })
  })

  test.each([
    ['null', null],
    ['a text', 'evt_1'],
    ['a number', 1],
    ['a list', [plain()]],
  ])('is not %s', (_name, value) => {
    expect(read(value)).toEqual({
      notification: null,
      issues: [{ loc: ['body', 3], msg: 'An event is a JSON object.', type: 'value_error' }],
    })
  })

  test.each<[string, object, [string, string][]]>([
    [
      'without id and type',
      { id: undefined, type: undefined },
      [
        ['id', 'missing'],
        ['type', 'missing'],
      ],
    ],
    ['with an empty id', { id: '' }, [['id', 'value_error']]],
    ['with a number for an id', { id: 7 }, [['id', 'value_error']]],
    ['with null for an id', { id: null }, [['id', 'value_error']]],
    ['with half of a surrogate pair in its id', { id: 'a\ud800' }, [['id', 'value_error']]],
    ['with an id that is too long', { id: 'x'.repeat(EVENT_ID_CHARS_MAX + 1) }, [['id', 'value_error']]],
    ['with a type of other characters', { type: '日本' }, [['type', 'value_error']]],
    ['with a type that is too long', { type: 'x'.repeat(257) }, [['type', 'value_error']]],
    ['of another version of CloudEvents', { specversion: '2.0', source: '/' }, [['specversion', 'value_error']]],
    ['of a version that is no text', { specversion: 1.0, source: '/' }, [['specversion', 'value_error']]],
    ['of a version but without a source', { specversion: '1.0' }, [['source', 'missing']]],
    ['with an empty source', { specversion: '1.0', source: '' }, [['source', 'value_error']]],
  ])('%s is refused, naming the places', (_name, given, expected) => {
    const { notification, issues } = read(plain(given))
    expect(notification).toBeNull()
    expect(issues.map(({ loc, type }) => [loc.at(-1), type])).toEqual(expected)
    for (const { loc, msg } of issues) {
      expect(loc.slice(0, -1)).toEqual(['body', 3])
      expect(msg).not.toBe('')
    }
  })

  test('with everything wrong has every problem named', () => {
    const { issues } = read({ specversion: '0.3', id: 5, type: '', source: [] })
    expect(issues.map(({ loc }) => loc.at(-1))).toEqual(['id', 'type', 'source', 'specversion'])
  })

  test('in a request that says CloudEvents has to be one', () => {
    expect(read(cloudEvent(), true).notification).toMatchObject({ identity: '["/users","evt_1"]' })
    const { notification, issues } = read(plain(), true)
    expect(notification).toBeNull()
    expect(issues.map(({ loc, type }) => [loc.at(-1), type])).toEqual([
      ['source', 'missing'],
      ['specversion', 'missing'],
    ])
  })

  test('in headers has its problems in headers', () => {
    const issues: Issue[] = []
    readNotification({}, BODY, { loc: ['header'], prefix: 'ce-', isCloudEvent: true }, issues)
    expect(issues.map(({ loc }) => loc)).toEqual(
      ['ce-id', 'ce-type', 'ce-source', 'ce-specversion'].map((name) => ['header', name]),
    )
  })

  test('may have the longest of ids, and one of any characters', () => {
    for (const id of ['x'.repeat(EVENT_ID_CHARS_MAX), '\u0000', ' ', '😀', '["a","b"]'])
      expect(read(plain({ id })).notification).toMatchObject({ eventId: id })
  })
})

describe('the identity', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.string({ unit: fc.constantFrom('[', ']', '"', ',', '\\', 'a'), minLength: 1, maxLength: 8 }),
    fc.array(fc.constantFrom('a', 'b', 'a","b'), { minLength: 1, maxLength: 2 }).map((parts) => JSON.stringify(parts)),
  )
  const event = fc.record({ id: text, source: fc.option(text) })
  const identityOf = ({ id, source }: { id: string; source: string | null }) =>
    read(source === null ? plain({ id }) : cloudEvent({ id, source })).notification?.identity

  test('is the same for two events only when both are plain, or both have that source, and the id is the same', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 2, maxLength: 20 }), (events) => {
        const distinct = new Set(events.map(({ id, source }) => JSON.stringify([source, id])))
        expect(new Set(events.map(identityOf)).size).toBe(distinct.size)
      }),
      { numRuns: 1_000 },
    )
  })

  test('of a plain event that looks like that of a CloudEvent is another one', () => {
    fc.assert(
      fc.property(text, text, (source, id) => {
        const identity = identityOf({ source, id })
        expect(identityOf({ source: null, id: identity! })).not.toBe(identity)
      }),
    )
  })
})

describe('binary mode', () => {
  const REQUIRED = { specversion: '1.0', type: 'user.created', source: '/users', id: 'evt_1' }

  function fromBinary(headers: Record<string, string>, contentType: string | undefined, data: string | Buffer = '') {
    const issues: Issue[] = []
    const { attributes, body } = fromBinaryMode(headers, contentType, Buffer.from(data as string), issues)
    return { attributes, body: Buffer.from(body).toString(), issues }
  }

  // http-protocol-binding.md 3.1.3.2, the rules and the examples.
  test.each([
    ['1234-1234-1234', '1234-1234-1234', 'a value without anything'],
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀', 'the example of the specification'],
    ['Euro%20%e2%82%ac', 'Euro €', 'hexadecimal digits in lower case'],
    ['%41%2Dz', 'A-z', 'what need not have been encoded'],
    ['%2541', '%41', 'one round of decoding and no more'],
    ['%22quoted%22', '"quoted"', 'encoded quotes are part of the value'],
    ['"quoted"', 'quoted', 'a quoted text, as older versions wrote it'],
    ['"a b"', 'a b', 'a space within quotes'],
    ['"a\\"b\\\\c\\d"', 'a"b\\cd', 'escapes within quotes'],
    ['"a%20b"', 'a b', 'first unquoted, then decoded'],
    ['"%22"', '"', 'what was encoded within quotes'],
    ['a"b"', 'a"b"', 'quotes that are not around it'],
    ['"', '"', 'a quote alone'],
    ['""', '', 'nothing within quotes'],
    ['a\\b', 'a\\b', 'a backslash outside of quotes'],
    ['100%', '100%', 'a percent sign that begins nothing'],
    ['%zz%4', '%zz%4', 'percent signs without two digits'],
    ['', '', 'nothing'],
    ['a b', 'a b', 'a space that was not encoded'],
    ['2018-04-05T17:31:00Z', '2018-04-05T17:31:00Z', 'a time'],
  ])('the header %s is the value %s: %s', (header, value) => {
    const { attributes, issues } = fromBinary({ ...REQUIRED, subject: header }, undefined)
    expect(issues).toEqual([])
    expect(attributes).toEqual({ ...REQUIRED, subject: value })
  })

  test.each(['%C0%A0', '%c0%a0', '%FF', 'a%80', '%E2%82', '%ED%A0%80', '%F8%88%80%80%80'])(
    'the header %s is refused: what it encodes is not UTF-8',
    (header) => {
      expect(fromBinary({ ...REQUIRED, subject: header, id: header }, undefined).issues).toEqual(
        ['ce-id', 'ce-subject'].map((name) => ({
          loc: ['header', name],
          msg: 'is not UTF-8 after percent-decoding',
          type: 'value_error',
        })),
      )
    },
  )

  test('every text survives being encoded as the specification says', () => {
    // Encodes one character in ten that need not be.
    const encode = (character: string, i: number) =>
      i % 10 !== 0 && /^[!#$&-~]$/.test(character)
        ? character
        : [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const { attributes } = fromBinary({ subject: Array.from(text, encode).join('') }, undefined)
        expect(attributes).toEqual({ subject: text })
      }),
    )
  })

  test.each([
    ['application/json', '{"n": 1.0}', ',"datacontenttype":"application/json","data":{"n": 1.0}}'],
    [undefined, '[1]', ',"data":[1]}'],
    ['application/json; charset=utf-8', 'null', ',"datacontenttype":"application/json; charset=utf-8","data":null}'],
    ['Application/Problem+JSON', '"x"', ',"datacontenttype":"Application/Problem+JSON","data":"x"}'],
    ['text/json ;a=b', ' 0 ', ',"datacontenttype":"text/json ;a=b","data": 0 }'],
    ['text/plain', 'hi "ü"', ',"datacontenttype":"text/plain","data":"hi \\"ü\\""}'],
    ['text/csv; charset="UTF-8"', 'a,b', ',"datacontenttype":"text/csv; charset=\\"UTF-8\\"","data":"a,b"}'],
    ['text/plain; charset=latin1', 'hi', ',"datacontenttype":"text/plain; charset=latin1","data_base64":"aGk="}'],
    ['application/xml', '<a b="c"/>', ',"datacontenttype":"application/xml","data":"<a b=\\"c\\"/>"}'],
    ['image/svg+xml', '<svg/>', ',"datacontenttype":"image/svg+xml","data":"<svg/>"}'],
    [
      'application/x-www-form-urlencoded',
      'a=b',
      ',"datacontenttype":"application/x-www-form-urlencoded","data":"a=b"}',
    ],
    ['application/x-www-form-urlencoded', ' {"n": 1.0}', ',"datacontenttype":"application/json","data": {"n": 1.0}}'],
    ['application/octet-stream', 'hi', ',"datacontenttype":"application/octet-stream","data_base64":"aGk="}'],
    ['application/jsonl', '{}', ',"datacontenttype":"application/jsonl","data_base64":"e30="}'],
    ['text/plain;x=/json', '{}', ',"datacontenttype":"text/plain;x=/json","data":"{}"}'],
    ['application/json', '', ',"datacontenttype":"application/json"}'],
    ['text/plain', '', ',"datacontenttype":"text/plain"}'],
    [undefined, '', '}'],
  ])('data of type %s, %s, stands in the event as in structured mode', (contentType, data, end) => {
    const { body, issues } = fromBinary(REQUIRED, contentType, data)
    expect(issues).toEqual([])
    expect(body).toBe(JSON.stringify(REQUIRED).slice(0, -1) + end)
    expect(JSON.parse(body)).toMatchObject(REQUIRED)
  })

  test.each(['1.0', '1e5', '-0', '12345678901234567890', '{"a":1,"a":2}', '"\\ud800"', '\t[ ]\n'])(
    'JSON data keeps its bytes: %s',
    (data) => {
      expect(fromBinary(REQUIRED, 'application/json', data).body).toContain(`"data":${data}}`)
    },
  )

  test.each(['application/octet-stream', 'text/plain'])('data that is no text is kept as base64: %s', (type) => {
    const data = Buffer.of(0, 255, 128, 10)
    const { body } = fromBinary(REQUIRED, type, data)
    expect((JSON.parse(body) as { data_base64: string }).data_base64).toBe(data.toString('base64'))
  })

  test('a header in UTF-8 is read as that, encoded or not', () => {
    const latin1 = (text: string) => Buffer.from(text).toString('latin1')
    for (const [header, value] of [
      [latin1('żółw'), 'żółw'],
      [latin1('"ż \\" 100%25"'), 'ż " 100%'],
      [latin1('😀%20€'), '😀 €'],
    ] as const)
      expect(fromBinary({ ...REQUIRED, subject: header }, undefined).attributes['subject']).toBe(value)
    const { issues } = fromBinary({ ...REQUIRED, subject: 'caf\u00e9' }, undefined)
    expect(issues).toMatchObject([{ loc: ['header', 'ce-subject'] }])
  })

  test.each(['data', 'data_base64', 'my-extension', 'a.b', ''])('ce-%s is no attribute, and is refused', (name) => {
    const { attributes, issues } = fromBinary({ ...REQUIRED, [name]: 'evil' }, undefined, '{}')
    expect(attributes).toEqual(REQUIRED)
    expect(issues).toMatchObject([{ loc: ['header', `ce-${name}`], msg: expect.stringContaining('no attribute') }])
  })

  test.each([
    ['{"n":', 'The data is not JSON'],
    ['{} {}', 'The data is not JSON'],
    ['', null],
    [Buffer.of(0x22, 0xff, 0x22), 'The data is not JSON: it is not UTF-8'],
  ])('data that says it is JSON has to be: %s', (data, problem) => {
    const { issues } = fromBinary(REQUIRED, 'application/json', data)
    const expected = [{ loc: ['body'], msg: expect.stringContaining(problem ?? '') as string, type: 'json_invalid' }]
    expect(issues).toEqual(problem === null ? [] : expected)
  })

  test('data as deep as it likes is no trouble', () => {
    const data = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    expect(fromBinary(REQUIRED, 'application/json', data).issues).toEqual([])
  })
})
