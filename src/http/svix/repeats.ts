/**
 * First answers, in the form in which they are stored for repeats. Most are stored as their own text. Three are stored
 * as their ingredients: a message's answer, which would hold the payload a second time, and those of the portal and of
 * a rotation, which would hold a valid token and a secret in plain text.
 */
import { createHash } from 'node:crypto'
import type { Endpoint } from '../../domain/endpoint.ts'
import type { AppId, EndpointId, MessageId } from '../../domain/ids.ts'
import type { Claims, Tokens } from '../../lib/jwt.ts'
import type { Store } from '../../store/store.ts'
import { shownSecret } from './endpoint-schemas.ts'
import { messageJson, shownPayload } from './message-json.ts'
import { SvixError } from './problems.ts'

/** No answer of the API begins like this, neither now nor before ingredients were stored. */
const RECIPE = '{"$'

type Recipe =
  | { $message: { appId: AppId; id: MessageId; withContent: boolean } }
  | { $portal: { url: string; claims: Claims } }
  | { $secret: { appId: AppId; id: EndpointId; mark: string } }

export interface RepeatsContext {
  store: Pick<Store, 'getMessage' | 'getShownPayload' | 'getEndpoint'>
  tokens: Tokens
}

export const messageRecipe = (appId: AppId, id: MessageId, withContent: boolean): string =>
  JSON.stringify({ $message: { appId, id, withContent } } satisfies Recipe)

export const portalRecipe = (url: string, claims: Claims): string =>
  JSON.stringify({ $portal: { url, claims } } satisfies Recipe)

/** Tells the few secrets of one endpoint apart, and reveals nothing else about them. */
const markOf = (secret: string): string => createHash('sha256').update(secret).digest('hex').slice(0, 8)

export const secretRecipe = ({ appId, id }: Pick<Endpoint, 'appId' | 'id'>, secret: string): string =>
  JSON.stringify({ $secret: { appId, id, mark: markOf(secret) } } satisfies Recipe)

/**
 * The body of a first answer. The answer to a message stays the same to the byte as long as the payload exists. Once
 * the payload was expunged, or its time is over, the answer says so, as every other answer does.
 */
export async function bodyOfRepeat({ store, tokens }: RepeatsContext, stored: string): Promise<string> {
  if (!stored.startsWith(RECIPE)) return stored
  const recipe = JSON.parse(stored) as Recipe
  if ('$portal' in recipe) return portalJson(recipe.$portal.url, await tokens.signDated(recipe.$portal.claims))
  if ('$secret' in recipe) return secretAgain(store, recipe.$secret)
  const { appId, id, withContent } = recipe.$message
  const [message, bytes] = await Promise.all([
    store.getMessage(appId, id),
    withContent ? store.getShownPayload(appId, id) : null,
  ])
  if (message === null) throw new SvixError('not_found')
  return messageJson(message, shownPayload(withContent, bytes))
}

export const portalJson = (url: string, token: string): string => JSON.stringify({ url, token })

/** A secret that was shown once, as long as it still signs. */
async function secretAgain(
  store: RepeatsContext['store'],
  { appId, id, mark }: { appId: AppId; id: EndpointId; mark: string },
): Promise<string> {
  const endpoint = await store.getEndpoint(appId, id)
  if (endpoint === null) throw new SvixError('not_found')
  const found = endpoint.secrets.find(({ secret }) => markOf(secret) === mark)
  if (found === undefined)
    throw new SvixError('conflict', 'The secret of the first answer is gone: read the one of today.')
  return secretJson(found.secret)
}

export const secretJson = (secret: string): string => JSON.stringify({ key: shownSecret(secret) })
