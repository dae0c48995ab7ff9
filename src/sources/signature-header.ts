/** Headers that carry a signature: alone, behind a prefix, or in a list with others and with the time. */
import { SIGNATURES_MAX } from '../domain/signature.ts'
import type { Refusal, SourceRequest } from './source.ts'

/**
 * Defines how a header with more than one signature is split: `t=1700000000,v1=…` is `{ separator: ',', kv: '=', key:
 * 'v1' }`.
 */
export interface SignatureList {
  /** Separator of groups, each of which has its own time and signatures; null when the header is one group. */
  groups: string | null
  separator: string
  /** Separator of a name and its value; null when the items have no names. */
  kv: string | null
  /** The name of items that are signatures; null when they have no name. */
  key: string | null
  /** The first item is the time, and the others are signatures. */
  positional: boolean
}

export interface SignatureHeader {
  /** Header names in lower case; more than one when the sender numbers them. */
  names: readonly string[]
  prefix: string
  list: SignatureList | null
  /** True when the header may come more than once, as some senders do while they change their secrets. */
  isRepeatable: boolean
}

export interface Candidate {
  signature: string
  /** The other items of the list, by name; `0` is the first one of a positional list. */
  items: ReadonlyMap<string, string>
}

/** Most groups of a header with several times: each group costs a hash of the body. */
const GROUPS_MAX = 4
const NO_ITEMS: ReadonlyMap<string, string> = new Map()

/** The signatures of a request, at most `SIGNATURES_MAX`; `isSignature` recognises those of the right form. */
export function readSignatures(
  request: SourceRequest,
  header: SignatureHeader,
  isSignature: (text: string) => boolean,
): Candidate[] | Refusal {
  const [first] = header.names
  const values: string[] = []
  for (const name of header.names) {
    const found = request.headers(name)
    if (found.length > 1 && !header.isRepeatable) {
      return { reason: 'header_repeated', detail: `The header ${name} came ${found.length} times.` }
    }
    values.push(...found)
    if (values.length > SIGNATURES_MAX) return tooMany(first)
  }
  if (values.length === 0) return { reason: 'header_missing', detail: `The header ${first} is missing.` }

  const candidates: Candidate[] = []
  for (const value of values) {
    const found = header.list === null ? [{ signature: value, items: NO_ITEMS }] : readList(value, header.list)
    if (found === null) return tooMany(first)
    candidates.push(...found)
    if (candidates.length > SIGNATURES_MAX) return tooMany(first)
  }
  const { prefix } = header
  const formed = candidates
    .filter(({ signature }) => signature.startsWith(prefix) && isSignature(signature.slice(prefix.length)))
    .map(({ signature, items }) => ({ signature: signature.slice(prefix.length), items }))
  return formed.length > 0
    ? formed
    : { reason: 'header_malformed', detail: `The header ${first} has no signature of the expected form.` }
}

const tooMany = (name: string | undefined): Refusal => ({
  reason: 'header_malformed',
  detail: `The header ${name} has more parts than are looked at: ${SIGNATURES_MAX} signatures, ${GROUPS_MAX} times.`,
})

/** Null when the list is longer than is read. */
function readList(value: string, list: SignatureList): Candidate[] | null {
  const groups = list.groups === null ? [value] : value.split(list.groups, GROUPS_MAX + 1)
  if (groups.length > GROUPS_MAX) return null
  const candidates: Candidate[] = []
  for (const group of groups) {
    const texts = group.split(list.separator, SIGNATURES_MAX + 5)
    if (texts.length > SIGNATURES_MAX + 4) return null
    candidates.push(...(list.positional ? positional(texts) : byName(texts, list)))
  }
  return candidates
}

function positional([time = '', ...signatures]: readonly string[]): Candidate[] {
  const items = new Map([['0', time.trim()]])
  return signatures.map((signature) => ({ signature: signature.trim(), items }))
}

function byName(texts: readonly string[], { kv, key }: SignatureList): Candidate[] {
  const items = new Map<string, string>()
  const signatures: string[] = []
  for (const text of texts) {
    const at = kv === null ? -1 : text.indexOf(kv)
    const name = at === -1 ? null : text.slice(0, at).trim()
    const value = (at === -1 ? text : text.slice(at + kv!.length)).trim()
    if (name === key) signatures.push(value)
    // A time that is named twice gives two times, and neither is used.
    else if (name !== null) items.set(name, items.has(name) ? '' : value)
  }
  return signatures.map((signature) => ({ signature, items }))
}
