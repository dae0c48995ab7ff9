/**
 * First answers, as they are stored for repeats. Most are their own text. Two are told by what they were made of: a message's,
 * which would hold the payload a second time, and the portal's, which would hold a valid token in the clear.
 */
import type { AppId, MessageId } from '../../domain/ids.ts'
import type { Claims, Tokens } from '../../lib/jwt.ts'
import type { Store } from '../../store/store.ts'
import { messageJson, shownPayload } from './message-json.ts'
import { SvixError } from './problems.ts'

/** No answer of the API begins like this, neither now nor before there were such. */
const RECIPE = '{"$'

type Recipe =
  | { $message: { appId: AppId; id: MessageId; withContent: boolean } }
  | { $portal: { url: string; claims: Claims } }

export interface RepeatsContext {
  store: Pick<Store, 'getMessage' | 'getShownPayload'>
  tokens: Tokens
}

export const messageRecipe = (appId: AppId, id: MessageId, withContent: boolean): string =>
  JSON.stringify({ $message: { appId, id, withContent } } satisfies Recipe)

export const portalRecipe = (url: string, claims: Claims): string =>
  JSON.stringify({ $portal: { url, claims } } satisfies Recipe)

/**
 * The body of a first answer. A message's is the same to the byte as long as its payload is there; once that was expunged, or
 * its time is over, the answer says so as every other one does.
 */
export async function bodyOfRepeat({ store, tokens }: RepeatsContext, stored: string): Promise<string> {
  if (!stored.startsWith(RECIPE)) return stored
  const recipe = JSON.parse(stored) as Recipe
  if ('$portal' in recipe) return portalJson(recipe.$portal.url, await tokens.signDated(recipe.$portal.claims))
  const { appId, id, withContent } = recipe.$message
  const [message, bytes] = await Promise.all([
    store.getMessage(appId, id),
    withContent ? store.getShownPayload(appId, id) : null,
  ])
  if (message === null) throw new SvixError('not_found')
  return messageJson(message, shownPayload(withContent, bytes))
}

export const portalJson = (url: string, token: string): string => JSON.stringify({ url, token })
