import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from './gateway.ts'
import { find, inboxMessage, list, SECRET, take } from './inbox-gateway.ts'

const gateway = await startGateway({ WEBHOOK_SECRET: SECRET })
afterAll(() => gateway[Symbol.asyncDispose]())

describe('q finds texts regardless of case', () => {
  test.each([
    ['Hello, World', ['hello', 'WORLD', 'O, w', 'Hello, World'], ['helo', 'hello world', 'Hello, World!']],
    ['Straße', ['STRASSE', 'strasse', 'straße', 'STRAẞE', 'ß', 'ss', 'ẞ'], ['strase', 'strasße']],
    ['GROẞE GRÖSSE', ['große', 'GROSSE', 'größe'], ['gröse']],
    ['ΟΔΥΣΣΕΥΣ', ['οδυσσευς', 'οδυσσευσ', 'σσ', 'ς'], ['οδυσευς']],
    ['ο λόγος', ['ΛΌΓΟΣ', 'λόγοσ', 'ΓΟΣ'], ['λογος']],
    ['Μαΐου', ['μαΐου', 'ΜΑΪ́ΟΥ', 'ΜΑ\u0399\u0308\u0301ΟΥ'], ['μαιου']],
    ['İstanbul', ['i\u0307stanbul', 'İSTANBUL', 'I\u0307stanbul', 'i', 'STANBUL'], ['stanbull']],
    ['Привет, Ёлка', ['привет', 'ПРИВЕТ', 'ёлка', '\u0415\u0308лка'], ['елка']],
    ['Caf\u00e9', ['CAF\u00c9', 'cafe\u0301', 'CAFE\u0301'], ['cafe', 'cafè']],
    ['re\u0301sume\u0301', ['R\u00c9SUM\u00c9', 're\u0301', 'SUM\u00e9'], ['resume']],
    ['\u1100\u1161', ['가'], ['\u1100']],
    ['Ǆungla', ['ǆUNGLA', 'ǅungla'], ['DŽungla']],
    ['ﬁn', ['FIN', 'ﬁN'], ['fn']],
    ['Ⅷ', ['ⅷ'], ['VIII']],
    ['𐐔𐐇𐐝', ['𐐼𐐯𐑅'], ['𐐼𐐯𐑆']],
    ['ＡＢＣ', ['ａｂｃ'], ['abc']],
    ['नमस्ते 👋🏽', ['नमस्ते', '👋', '👋🏽'], ['👋🏻']],
  ])('%s', async (text, found, notFound) => {
    const from = `+3${Buffer.from(text).join('')}`
    const id = `in the text of ${from}`
    await take(gateway, inboxMessage({ message_id: id, from, text }))
    for (const q of found) expect([q, await find(gateway, { from, q })]).toEqual([q, [id]])
    for (const q of notFound) expect([q, await find(gateway, { from, q })]).toEqual([q, []])
    expect(await find(gateway, { q: found[0]! })).toContain(id)
  })
})

describe('q means what it says', () => {
  const texts = [
    '100%',
    '100 %',
    '100x',
    'a_b',
    'aXb',
    'a\\b',
    'a\\\\b',
    "it's",
    'say "hi"',
    'a*b',
    'a?b',
    '[ab]',
    'x\0y',
    'x',
    '',
  ]
  const from = '+4001'
  const search = async (q: string) => {
    const { data } = await list(gateway, { from, q, limit: 100 })
    return data.map((message) => message.text)
  }

  beforeAll(async () => {
    for (const [i, text] of texts.entries())
      await take(gateway, inboxMessage({ from, text, ts: `2025-01-15T10:00:${String(i).padStart(2, '0')}Z` }))
    await take(gateway, inboxMessage({ from, text: null, ts: '2025-01-15T11:00:00Z' }))
  })

  test.each([
    ['%', ['100%', '100 %']],
    ['0%', ['100%']],
    ['_', ['a_b']],
    ['a_b', ['a_b']],
    ['a%b', []],
    ['\\', ['a\\b', 'a\\\\b']],
    ['\\\\', ['a\\\\b']],
    ['\\_', []],
    ["'", ["it's"]],
    ["''", []],
    ['"', ['say "hi"']],
    ['""', []],
    ['*', ['a*b']],
    ['?', ['a?b']],
    ['[ab]', ['[ab]']],
    ['.', []],
    ['\0', ['x\0y']],
    ["x' OR '1'='1", []],
    [' ', ['100 %', 'say "hi"']],
    ['x', ['100x', 'aXb', 'x\0y', 'x']],
  ])('%j', async (q, found) => {
    expect(await search(q)).toEqual(found)
  })

  test('an empty one finds all, those without a text too', async () => {
    expect(await search('')).toEqual([...texts, null])
    expect((await gateway.ask<{ total: number }>('/messages?from=+4001&q')).total).toBe(texts.length + 1)
  })

  test('a message without a text is found by no other', async () => {
    for (const q of ['null', 'n', 'undefined', '0']) expect(await search(q)).not.toContain(null)
  })

  test('a plus in it is a space, as in every query string, and %2B is a plus', async () => {
    await take(gateway, inboxMessage({ from: '+4002', text: '1+1 = 2' }))
    const total = async (q: string) => (await gateway.ask<{ total: number }>(`/messages?from=+4002&q=${q}`)).total
    expect([await total('1%2B1'), await total('1+1'), await total('1+%3D+2')]).toEqual([1, 0, 1])
  })

  test('a percent sign may stand in a URL as it is', async () => {
    const { data } = await gateway.ask<{ data: { text: string }[] }>('/messages?from=+4001&q=0%')
    expect(data.map((message) => message.text)).toEqual(['100%'])
  })

  test('it may be as long as a text, and longer ones are refused', async () => {
    const text = 'y'.repeat(4_096)
    await take(gateway, inboxMessage({ from: '+4003', text }))
    expect((await list(gateway, { from: '+4003', q: text.toUpperCase() })).total).toBe(1)
    expect((await gateway.send(`/messages?q=${text}y`)).status).toBe(422)
  })
})
