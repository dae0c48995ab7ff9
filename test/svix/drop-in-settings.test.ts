/** Settings that an installation of Svix may have, in the gateway. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { Svix } from 'svix'
import { expect, test } from 'vitest'
import { Program, soon, temporaryDirectory } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { Caller, hmac, jwt, startSvixGateway } from './sdk-gateway.ts'

/** RFC 8410, section 4: the DER of a public Ed25519 key up to its 32 bytes. */
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex')

const claims = { sub: 'org_acme' }
const pem = (key: KeyObject) =>
  key.export(key.type === 'private' ? { type: 'pkcs8', format: 'pem' } : { type: 'spki', format: 'pem' }) as string
const algorithmOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split('.', 1)[0]!, 'base64url').toString()) as { alg: string }).alg

type Pair = Record<'publicKey' | 'privateKey', KeyObject>
const ec = (namedCurve: string): Pair => generateKeyPairSync('ec', { namedCurve })
const PSS = { padding: 6, saltLength: -1 }
const pairs: [string, Pair, hash: string | null, options: object][] = [
  ['RS256', generateKeyPairSync('rsa', { modulusLength: 2_048 }), 'sha256', {}],
  ['PS384', generateKeyPairSync('rsa', { modulusLength: 2_048 }), 'sha384', PSS],
  ['ES256', ec('P-256'), 'sha256', { dsaEncoding: 'ieee-p1363' }],
  ['ES512', ec('P-521'), 'sha512', { dsaEncoding: 'ieee-p1363' }],
  ['EdDSA', generateKeyPairSync('ed25519'), null, {}],
]

test.each(pairs)('tokens are signed and verified with %s', async (alg, { publicKey, privateKey }, hash, options) => {
  await using gateway = await startSvixGateway({ JWT_ALGORITHM: alg, JWT_SECRET: pem(privateKey) })
  const signed = (text: string) => sign(hash, Buffer.from(text), { key: privateKey, ...options }).toString('base64url')
  const org = new Caller(gateway, jwt(claims, { alg }, signed))
  const { id } = await org.svix.application.create({ name: 'Acme' })
  const { token } = await org.svix.authentication.appPortalAccess(id, {})
  expect(algorithmOf(token)).toBe(alg)
  expect((await new Caller(gateway, token).svix.application.get(id)).name).toBe('Acme')

  await using elsewhere = await startSvixGateway({ JWT_ALGORITHM: alg, JWT_SECRET: pem(publicKey) })
  const verified = new Caller(elsewhere, jwt(claims, { alg }, signed))
  const other = await verified.svix.application.create({ name: 'Verified only' })
  const refused = await verified.send(`/auth/app-portal-access/${other.id}`, { json: {} })
  expect([refused.status, refused.json()]).toEqual([
    501,
    { code: 'not_implemented', detail: expect.stringContaining('public key') },
  ])
  // What is public is no secret of an HMAC, whatever a token says.
  for (const header of [{ alg: 'HS256' }, { alg: 'none' }]) {
    const forged = new Caller(elsewhere, jwt(claims, header, hmac(pem(publicKey))))
    expect((await forged.send('/app')).status).toBe(401)
  }
})

test.each([
  ['HS384', 'sha384'],
  ['HS512', 'sha512'],
])('tokens are signed and verified with %s, also by a secret that is short', async (alg, hash) => {
  await using gateway = await startSvixGateway({ JWT_ALGORITHM: alg, JWT_SECRET: 'short' })
  const org = new Caller(gateway, jwt(claims, { alg }, hmac('short', hash)))
  const { id } = await org.svix.application.create({ name: 'Acme' })
  expect(algorithmOf((await org.svix.authentication.appPortalAccess(id, {})).token)).toBe(alg)
  expect((await new Caller(gateway, jwt(claims, { alg: 'HS256' }, hmac('short'))).send('/app')).status).toBe(401)
})

test('a short secret is warned of at start', async () => {
  using directory = temporaryDirectory()
  await using gateway = new Program(directory.path, { JWT_SECRET: 'short' })
  await gateway.client()
  await soon(() => gateway.log.map(({ msg }) => msg)).toContainEqual(
    expect.stringContaining('JWT_SECRET has fewer than'),
  )
  expect(gateway.stdout.join()).not.toContain('"short"')
})

test('a token is printed that the key pair has signed, and none where there is the public key only', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const printed = async (key: KeyObject) => {
    using directory = temporaryDirectory()
    await using program = new Program(directory.path, { JWT_ALGORITHM: 'EdDSA', JWT_SECRET: pem(key) }, ['token'])
    return { code: await program.exited(), out: program.stdout.join(), error: program.stderr }
  }
  expect(algorithmOf((await printed(privateKey)).out)).toBe('EdDSA')
  expect(await printed(publicKey)).toMatchObject({ code: 1, error: expect.stringContaining('public key') })
})

test('new secrets are Ed25519 pairs where that is set, whatever makes them', async () => {
  await using receiver = await startReceiver()
  await using gateway = await startSvixGateway({ DEFAULT_SIGNATURE_TYPE: 'ed25519' })
  const svix = new Svix(jwt(claims), { serverUrl: gateway.url, retryScheduleInMs: [] })
  const hook = receiver.hook()
  const { id: app } = await svix.application.create({ name: 'Pairs' })
  const { id } = await svix.endpoint.create(app, { url: hook.url })
  const first = (await svix.endpoint.getSecret(app, id)).key
  await svix.message.create(app, { eventType: 'paid', payload: { n: 1 } })
  await soon(() => hook.received.length).toBe(1)
  const [{ headers, body }] = hook.received as [(typeof hook.received)[0]]
  expect(headers['svix-signature']).toMatch(/^v1a,/)
  const spki = Buffer.concat([SPKI_ED25519, Buffer.from(first.slice('whpk_'.length), 'base64')])
  const content = Buffer.from(`${String(headers['svix-id'])}.${String(headers['svix-timestamp'])}.${body.toString()}`)
  const signature = Buffer.from(String(headers['svix-signature']).slice('v1a,'.length), 'base64')
  expect(verify(null, content, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature)).toBe(true)

  await svix.endpoint.rotateSecret(app, id)
  const put = await svix.endpoint.upsert(app, 'unknown', { url: hook.url })
  const operational = await svix.operationalWebhook.endpoint.create({ url: hook.url })
  const keys = [
    first,
    (await svix.endpoint.getSecret(app, id)).key,
    (await svix.endpoint.getSecret(app, put.id)).key,
    (await svix.operationalWebhook.endpoint.getSecret(operational.id)).key,
  ]
  expect(keys).toEqual(keys.map(() => expect.stringMatching(/^whpk_/)))
  expect(new Set(keys).size).toBe(keys.length)
})
