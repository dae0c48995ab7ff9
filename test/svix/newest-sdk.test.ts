/** The installed SDK, operation by operation, against what the gateway's own document promises. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { readsRotatedKey } from '../../src/http/svix/sdk.ts'
import { sdkModels, type SdkOperation, sdkOperations, sdkVersion } from './sdk-contract.ts'
import { newTenant, startSvixGateway } from './sdk-gateway.ts'

interface Schema {
  $ref?: string
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  allOf?: Schema[]
}
interface Described {
  parameters?: { name: string; in: string; required?: boolean }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}

const gateway = await startSvixGateway()
afterAll(() => gateway[Symbol.asyncDispose]())
const tenant = newTenant(gateway)
const document = (await gateway.send('/api/v1/openapi.json')).json<{
  paths: Record<string, Record<string, Described>>
  components?: { schemas?: Record<string, Schema> }
}>()

/** What `docs/svix-api.md` says is not here. */
const NOT_HERE = [
  /\/(transformation|auto-config|bulk-replay|precheck|bulk-expunge|expunge-all-contents)(\/|$)/,
  /^\/api\/v1\/(connector|environment|stream|stats|message-pollers?|background)\b(?!-task)/,
  /^\/api\/v1\/auth\/(app\/|stream|one-time|whoami|mcp|dashboard|management)/,
  /^\/api\/v1\/app\/\{app_id\}\/(integration|portal|poller|destination|autoconfig|polling-endpoint|events|sink|broadcast)/,
  /^\/api\/v1\/event-type\/(import|export|schema|\{event_type_name\}\/retry)/,
  /^\/(ingest|management)\//,
]
const isHere = ({ path }: SdkOperation) => !NOT_HERE.some((one) => one.test(path))

const operations = sdkOperations().filter(isHere)
const models = sdkModels()
const describedBy = ({ method, path }: SdkOperation): Described | undefined =>
  document.paths[path]?.[method.toLowerCase()]

function resolve(schema: Schema): Schema {
  if (schema.$ref !== undefined) return resolve(document.components!.schemas![schema.$ref.split('/').at(-1)!]!)
  const parts = schema.allOf ?? schema.anyOf?.filter((one) => one.type !== 'null')
  return parts?.length === 1 ? resolve(parts[0]!) : schema
}

const bodyOf = (content: Record<string, { schema: Schema }> | undefined) => content?.['application/json']?.schema

/** What the SDK's model always has, and the schema does not promise; members of members too. */
function missingIn(schema: Schema, model: string): string[] {
  const { required = [], properties = {} } = resolve(schema)
  return [...models.get(model)!].flatMap(([member, { type, isRequired }]) => {
    if (isRequired && !required.includes(member)) return [`${model}.${member}`]
    const [, of, list] = /^(\w+)(\[\])?/.exec(type) ?? []
    const inner = properties[member] && resolve(properties[member])
    const schemaOf = list === undefined ? inner : inner?.items
    return of !== undefined && models.has(of) && schemaOf?.properties !== undefined ? missingIn(schemaOf, of) : []
  })
}

function answerProblems({ name, answer }: SdkOperation, described: Described | undefined): string[] {
  const answers = Object.entries(described?.responses ?? {}).filter(([status]) => status.startsWith('2'))
  const schemas = answers.flatMap(([, { content }]) => bodyOf(content) ?? [])
  // It is refused, which `docs/svix-api.md` says.
  if (name === 'logout') return []
  if (answer === null) return schemas.length < answers.length ? [] : ['every answer has a body']
  if (schemas.length === 0) return ['no answer has a body']
  return models.has(answer) ? schemas.flatMap((schema) => missingIn(schema, answer)) : []
}

test('the SDK is one whose files can be read here', () => {
  expect(sdkVersion).toMatch(/^\d+\.\d+\.\d+$/)
  expect(operations.length).toBeGreaterThan(45)
  expect(models.get('EndpointOut')?.get('url')).toEqual({ type: 'string', isRequired: true })
})

describe.each(operations.map((operation) => [`${operation.method} ${operation.path}`, operation] as const))(
  '%s',
  (_, operation) => {
    const described = describedBy(operation)

    test('is there', () => expect(described).toBeDefined())

    test('is answered with what the SDK reads', () => expect(answerProblems(operation, described)).toEqual([]))

    test('needs nothing that the SDK may leave out', () => {
      const schema = bodyOf(described?.requestBody?.content)
      const given = [...(models.get(operation.request ?? '') ?? [])]
      const always = given.filter(([, { isRequired }]) => isRequired).map(([member]) => member)
      expect(
        schema === undefined ? [] : (resolve(schema).required ?? []).filter((one) => !always.includes(one)),
      ).toEqual([])
      const known = described?.parameters?.filter((one) => one.in === 'query') ?? []
      expect(known.filter(({ required }) => required === true)).toEqual([])
      expect(operation.query.filter((name) => !known.some((one) => one.name === name))).toEqual([])
    })
  },
)

describe('a rotated secret', () => {
  test.each([
    ['svix-libs/2.7.0/javascript node/v24.0.0', true],
    ['svix-libs/2.10.3/python', true],
    ['svix-libs/3.0.0/go', true],
    ['svix-libs/2.6.9/java', false],
    ['svix-libs/2.0.0/kotlin', false],
    ['svix-libs/1.99.0/go', false],
    ['curl/8.5.0 svix-libs/2.7.0/x', false],
    ['svix-libs/', false],
    [undefined, false],
  ])('is told to %s: %s', (userAgent, isTold) => expect(readsRotatedKey(userAgent)).toBe(isTold))

  test('is in the answer for those who read it, also when they ask again, and stored in the endpoint only', async () => {
    const { id: app } = await tenant.svix.application.create({ name: 'Rotating' })
    const { id } = await tenant.svix.endpoint.create(app, { url: 'http://127.0.0.1:9/' })
    const path = `/app/${app}/endpoint/${id}/secret`
    const rotate = (key: string, userAgent: string, json: object = {}) =>
      tenant.send(`${path}/rotate`, { json, headers: { 'idempotency-key': key, 'user-agent': userAgent } })
    const [newer, older] = ['svix-libs/2.7.0/javascript', 'svix-libs/2.0.0/kotlin']

    const first = await rotate('a', newer)
    expect([first.status, first.json()]).toEqual([200, await tenant.ask(path)])
    const second = await rotate('b', older)
    expect([second.status, second.text]).toEqual([204, ''])
    expect(await tenant.ask(path)).not.toEqual(first.json())
    // It is not the current one any more, and was the answer.
    expect([(await rotate('a', newer)).text, (await rotate('b', older)).text]).toEqual([first.text, ''])
    using database = new DatabaseSync(gateway.databasePath, { readOnly: true })
    const kept = database
      .prepare('SELECT body FROM answer')
      .all()
      .map(({ body }) => String(body))
    expect(kept).toContainEqual(expect.stringContaining('secret'))
    expect(kept.join()).not.toContain('whsec_')

    await rotate('c', older, { gracePeriodSeconds: 0 })
    const gone = await rotate('c2', newer, { gracePeriodSeconds: 0 })
    await rotate('d', older, { gracePeriodSeconds: 0 })
    expect(gone.status).toBe(200)
    expect((await rotate('c2', newer)).status).toBe(409)
  })

  test('of an Ed25519 pair is its public half', async () => {
    const { id: app } = await tenant.svix.application.create({ name: 'Rotating pairs' })
    const { id } = await tenant.svix.endpoint.create(app, { url: 'http://127.0.0.1:9/' })
    const key = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
    const headers = { 'user-agent': 'svix-libs/2.7.0/go' }
    const answer = await tenant.send(`/app/${app}/endpoint/${id}/secret/rotate`, { json: { key }, headers })
    expect(answer.json<{ key: string }>().key).toMatch(/^whpk_/)
  })
})
