/**
 * The target table in PostgreSQL for each table of a SQLite file. Lanes are not copied but made anew from the
 * deliveries. Every other table is copied in the order of its key, so that a copy that was interrupted goes on where it
 * was.
 */
type Row = Record<string, unknown>

export interface Part {
  /** The table in PostgreSQL. */
  table: string
  /** The rows that one row of SQLite becomes. */
  rows: (row: Row) => Row[]
  /** A row that is there already is kept, unless the migrations made it and it may have been changed since. */
  onConflict: 'keep' | 'replace'
}

export interface Table {
  name: string
  key: readonly string[]
  parts: readonly Part[]
}

const as = (table: string, onConflict: Part['onConflict'] = 'keep', change = (row: Row): Row => row): Part => ({
  table,
  onConflict,
  rows: (row) => [change(row)],
})

const plain = (name: string, ...key: string[]): Table => ({ name, key, parts: [as(name)] })
const seeded = (name: string, ...key: string[]): Table => ({ name, key, parts: [as(name, 'replace')] })

const message: Table = {
  name: 'msg',
  key: ['app_id', 'id'],
  parts: [
    as('msg', 'keep', (row) => {
      const { payload, shown, ...rest } = row
      void shown
      return { ...rest, payload_bytes: payload instanceof Uint8Array ? payload.byteLength : 0 }
    }),
    {
      table: 'payload',
      onConflict: 'keep',
      rows: ({ app_id, id, expires_at, payload, shown }) =>
        payload instanceof Uint8Array ? [{ app_id, msg_id: id, expires_at, bytes: payload, shown }] : [],
    },
  ],
}

/** The process that held a lease on the file is gone. */
const released = (row: Row): Row =>
  row['state'] === 'leased'
    ? { ...row, state: 'pending', lease_owner: null, retry: Number(row['tries']) > 0 ? 1 : 0 }
    : row

export const TABLES: readonly Table[] = [
  seeded('meta', 'name'),
  plain('organization', 'id'),
  seeded('application', 'org_id', 'id'),
  seeded('event_type', 'org_id', 'name'),
  plain('endpoint', 'app_id', 'id'),
  plain('source', 'app_id', 'id'),
  message,
  plain('msg_label', 'app_id', 'label', 'msg_id'),
  {
    name: 'delivery',
    key: ['app_id', 'msg_id', 'endpoint_id', 'run'],
    parts: [as('delivery', 'keep', released)],
  },
  plain('attempt', 'app_id', 'endpoint_id', 'id'),
  plain('idempotency', 'app_id', 'scope', 'key'),
  plain('answer', 'org_id', 'key'),
  plain('task', 'org_id', 'id'),
  plain('messages', 'message_id'),
  plain('inbox_sender', 'from_msisdn'),
  plain('inbox_hour', 'hour'),
  seeded('inbox_total', 'one'),
]

/**
 * Lanes are made from the deliveries, once all of these are in the target; the target has encryption keys of its own.
 */
export const MADE_ANEW: readonly string[] = ['lane', 'encryption_key']
