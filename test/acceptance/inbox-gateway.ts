/** The inbox as its clients see it, and its table as the file has it. */
import { createHmac } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import type { Answer, Client, LogLine, Sending } from './gateway.ts'

export const SECRET = 'testsecret'

export interface InboxMessage {
  message_id: string
  from: string
  to: string
  ts: string
  text: string | null
}

export interface InboxQuery {
  limit?: number | string
  offset?: number | string
  from?: string
  since?: string
  q?: string
}

export interface InboxPage {
  data: InboxMessage[]
  total: number
  limit: number
  offset: number
}

export interface InboxStats {
  total_messages: number
  senders_count: number
  messages_per_sender: { from: string; count: number }[]
  first_message_ts: string | null
  last_message_ts: string | null
}

export const sign = (body: string | Buffer, secret = SECRET): string =>
  createHmac('sha256', secret).update(body).digest('hex')

let count = 0

/** A valid message with an id of its own. */
export const inboxMessage = (settings: Partial<InboxMessage> = {}): InboxMessage => ({
  message_id: `m${++count}`,
  from: '+919876543210',
  to: '+14155550100',
  ts: '2025-01-15T10:00:00Z',
  text: 'Hello',
  ...settings,
})

/** What is posted: bytes as they are, or anything else as JSON. */
export type Posted = string | Buffer | object

export const bytesOf = (posted: Posted): Buffer =>
  Buffer.isBuffer(posted) ? posted : Buffer.from(typeof posted === 'string' ? posted : JSON.stringify(posted))

/** Posts a message with its signature, unless `headers` say another. */
export function post(client: Client, posted: Posted, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  const body = bytesOf(posted)
  return client.send('/webhook', { body, headers: { 'x-signature': sign(body), ...headers } })
}

/** Posts what has to be taken. */
export async function take(client: Client, ...messages: Posted[]): Promise<void> {
  for (const answer of await Promise.all(messages.map((message) => post(client, message))))
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
}

export function list(client: Client, query: InboxQuery = {}): Promise<InboxPage> {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) parameters.set(name, String(value))
  return client.ask(`/messages?${parameters.toString()}`)
}

/** The ids that a query finds, and nothing else. */
export async function find(client: Client, query: InboxQuery): Promise<string[]> {
  const { data, total } = await list(client, { limit: 100, ...query })
  if (total !== data.length) throw new Error(`the total is ${total}, but ${data.length} were listed`)
  return data.map((message) => message.message_id)
}

/** All messages, page by page. */
export async function listAll(client: Client): Promise<InboxMessage[]> {
  const all: InboxMessage[] = []
  for (;;) {
    const { data, total } = await list(client, { limit: 100, offset: all.length })
    all.push(...data)
    if (data.length === 0 || all.length >= total) return all
  }
}

export const stats = (client: Client): Promise<InboxStats> => client.ask('/stats')

/** A line of the log about `/webhook`, without what differs every time. */
export const webhookLines = (log: LogLine[]): LogLine[] => log.filter((line) => line['path'] === '/webhook')

/** The metrics whose lines begin with `name`, as `{"path=…": 3}`. */
export async function metrics(client: Client, name: string): Promise<Record<string, number>> {
  const { text } = await client.send('/metrics')
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`))
  return Object.fromEntries(
    lines.map((line) => {
      const [, labels = '', value] = /^\w+\{(.*)\} (\S+)$/.exec(line) ?? []
      return [labels.replaceAll('"', ''), Number(value)]
    }),
  )
}

export interface InboxRow extends Record<string, unknown> {
  message_id: string
  from_msisdn: string
  to_msisdn: string
  ts: string
  text: string | null
  created_at: string
}

/** The rows of `messages`, with the columns that are promised. */
export function inboxRows(client: Client): InboxRow[] {
  using database = new DatabaseSync(client.databasePath, { readOnly: true })
  const sql = 'SELECT message_id, from_msisdn, to_msisdn, ts, text, created_at FROM messages ORDER BY message_id'
  return database.prepare(sql).all() as InboxRow[]
}

/** Sends what has to be refused, and sees to it that nothing is stored. */
export async function refused(client: Client, sending: Sending): Promise<Answer> {
  const before = [inboxRows(client), client.rows()]
  const answer = await client.send('/webhook', { method: 'POST', ...sending })
  if (answer.status < 400) throw new Error(`${answer.status} ${answer.text}`)
  if (JSON.stringify([inboxRows(client), client.rows()]) !== JSON.stringify(before)) throw new Error('it was stored')
  return answer
}
