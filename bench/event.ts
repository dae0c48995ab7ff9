// The benchmark's webhooks: a small JSON order of about 340 bytes, and a message for the inbox. Every body carries its
// sequence number in a place of fixed width: the generator patches it in and the receiver reads it without parsing. The
// signature is likewise a fixed 64 characters of the request's head.

import { createHmac } from 'node:crypto'

const SEQ_DIGITS = 9
const SIGNATURE_BYTES = 64
const DIGIT_ZERO = 48

/** The order number 0. */
export const eventBody = Buffer.from(
  JSON.stringify({
    seq: '0'.repeat(SEQ_DIGITS),
    type: 'order.created',
    created_at: '2026-01-01T00:00:00Z',
    order: {
      id: 'ord_8b1f0c2e6d',
      currency: 'EUR',
      total: '129.90',
      items: [
        { sku: 'TSHIRT-L-BLUE', quantity: 2, price: '19.95' },
        { sku: 'SHOES-42-BLACK', quantity: 1, price: '90.00' },
      ],
      customer: { id: 'cus_51ab77', email: 'jane.doe@example.com', country: 'DE' },
    },
  }),
)

const messageBody = Buffer.from(
  JSON.stringify({
    message_id: '0'.repeat(SEQ_DIGITS),
    from: '+919876543210',
    to: '+14155550100',
    ts: '2026-01-15T10:00:00Z',
    text: 'Hello, is the blue one in size L still available? I would pick it up on Friday afternoon.',
  }),
)

const SVIX_HEAD = '{"eventType":"order.created","payload":'
/** The order as the payload of a message of the Svix API. */
const svixBody = Buffer.concat([Buffer.from(SVIX_HEAD), eventBody, Buffer.from('}')])

/** A kind of webhook: what it looks like, and how it is signed. */
export interface Kind {
  body: Buffer
  /** Where the sequence number stands in the body. */
  seqAt: number
  headers: string[]
  /** The header that is different in each request: a signature, or where there is none, a key of the same length. */
  signatureHeader: string
}

export type KindName = 'order' | 'message' | 'svix'

export const KINDS: Readonly<Record<KindName, Kind>> = {
  order: {
    body: eventBody,
    seqAt: '{"seq":"'.length,
    headers: ['X-Event-Type: order.created'],
    signatureHeader: 'X-Hub-Signature-256: sha256=',
  },
  message: { body: messageBody, seqAt: '{"message_id":"'.length, headers: [], signatureHeader: 'X-Signature: ' },
  // As the official SDKs send it: a fresh idempotency key with each message.
  svix: {
    body: svixBody,
    seqAt: SVIX_HEAD.length + '{"seq":"'.length,
    headers: [],
    signatureHeader: 'Idempotency-Key: auto_',
  },
}

function writeSeq(seq: number, into: Buffer, first: number): void {
  let rest = seq
  for (let at = first + SEQ_DIGITS - 1; at >= first; at--) {
    into[at] = DIGIT_ZERO + (rest % 10)
    rest = Math.floor(rest / 10)
  }
}

/** The sequence number of an order. */
export function readSeq(from: Buffer, bodyAt: number): number {
  const first = bodyAt + KINDS.order.seqAt
  let seq = 0
  for (let at = first; at < first + SEQ_DIGITS; at++) seq = seq * 10 + (from[at] ?? 0) - DIGIT_ZERO
  return seq
}

/** The signatures of the events 0 to `count`, 64 hex characters each, one after the other. */
export function presign(secret: string, count: number, kind: Kind): Buffer {
  const signatures = Buffer.allocUnsafe(count * SIGNATURE_BYTES)
  const bytes = Buffer.from(kind.body)
  for (let seq = 0; seq < count; seq++) {
    writeSeq(seq, bytes, kind.seqAt)
    signatures.write(createHmac('sha256', secret).update(bytes).digest('hex'), seq * SIGNATURE_BYTES, 'latin1')
  }
  return signatures
}

export interface RequestTemplate {
  bytes: Buffer
  /** Turns `bytes` into the request of event `seq`. */
  patch(seq: number): Buffer
}

export function requestTemplate(
  to: { port: number; path: string; token?: string },
  signatures: Buffer,
  kind: Kind,
): RequestTemplate {
  const signed = [
    `POST ${to.path} HTTP/1.1`,
    `Host: 127.0.0.1:${to.port}`,
    'Content-Type: application/json',
    ...kind.headers,
    ...(to.token === undefined ? [] : [`Authorization: Bearer ${to.token}`]),
    `Content-Length: ${kind.body.length}`,
    kind.signatureHeader,
  ].join('\r\n')
  const bodyAt = signed.length + SIGNATURE_BYTES + '\r\n\r\n'.length
  const bytes = Buffer.from(`${signed}${'0'.repeat(SIGNATURE_BYTES)}\r\n\r\n${kind.body.toString()}`)
  return {
    bytes,
    patch(seq) {
      writeSeq(seq, bytes, bodyAt + kind.seqAt)
      signatures.copy(bytes, signed.length, seq * SIGNATURE_BYTES, (seq + 1) * SIGNATURE_BYTES)
      return bytes
    },
  }
}
