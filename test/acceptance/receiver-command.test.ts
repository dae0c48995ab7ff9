/** `hookferry receiver`, which the README has its readers deliver to. */
import { afterAll, expect, test } from 'vitest'
import { eventually, Program, send, soon, startGateway, temporaryDirectory } from './gateway.ts'

const directory = temporaryDirectory()
const program = new Program(directory.path, {}, ['receiver', '--port', '0'])
afterAll(async () => {
  await program[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

const origin = async () => eventually(() => /http:\/\/127\.0\.0\.1:\d+/.exec(program.stdout[0] ?? '')?.[0])
const printed = (part: string) => soon(() => program.stdout.find((line) => line.includes(part)))

test('prints what is delivered, and whether it is signed with its secret, with another one or not at all', async () => {
  await using gateway = await startGateway()
  const url = await origin()
  await Promise.all([
    gateway.subscribe({ target_url: `${url}/its`, secret: 'my-secret' }),
    gateway.subscribe({ target_url: `${url}/other`, secret: 'not-my-secret' }),
    gateway.subscribe({ target_url: `${url}/none` }),
  ])
  const headers = { 'x-event-type': 'a.b' }
  expect((await gateway.send('/ingest', { json: { n: 1 }, headers })).status).toBe(202)
  await printed('/its').toBe('/its {"n":1} signature: valid')
  await printed('/other').toBe('/other {"n":1} signature: made with another secret')
  await printed('/none').toBe('/none {"n":1} signature: none')
})

test('fails at /fail, so that retries can be seen', async () => {
  const url = await origin()
  expect((await send(`${url}/fail`, { json: { n: 4 } })).status).toBe(500)
  expect((await send(`${url}/failed`, { json: { n: 5 } })).status).toBe(200)
})

test('prints one line of bounded length, whatever it is sent', async () => {
  const body = `begin\r\n\u001b[2J${'x'.repeat(100_000)}`
  expect((await send(`${await origin()}/long`, { body })).status).toBe(200)
  await printed('begin').toBe(`/long begin   [2J${'x'.repeat(1_989)} signature: none`)
})

test('says what is wrong with its options, and ends with 2', async () => {
  await using wrong = new Program(directory.path, {}, ['receiver', '--port', 'http'])
  expect([await wrong.exited(), wrong.stderr]).toEqual([
    2,
    'hookferry: receiver: --port has to be a number from 0 to 65535\n',
  ])
})

test('ends with its signal', async () => {
  await using ending = new Program(directory.path, {}, ['receiver', '--port', '0'])
  await eventually(() => ending.stdout.length > 0)
  ending.signal('SIGTERM')
  expect(await ending.exited()).toBe(0)
})
