/**
 * The catalogue of refusals. A code is stable and part of the API; `docs/errors.md` lists every one, and a test
 * compares the two. Failed deliveries are not errors but values (`Outcome`).
 */
export const ERRORS = {
  validation: { status: 422, detail: 'The request is not valid.' },
  invalid_signature: { status: 401, detail: 'invalid signature' },
  unauthorized: { status: 401, detail: 'A management key is required: Authorization: Bearer <one of API_KEY>.' },
  cross_site: {
    status: 403,
    detail:
      'The request comes from a page of another site. Without API_KEY only programs and pages of the gateway itself may manage it.',
  },
  unknown_host: {
    status: 421,
    detail:
      'The Host of the request is not known to be this gateway. Set PUBLIC_URL to the URL that it is reached by, or set API_KEY.',
  },
  too_many_keys: { status: 429, detail: 'Too many wrong keys came from this address. A right one opens at any time.' },
  not_found: { status: 404, detail: 'There is no such route.' },
  subscription_not_found: { status: 404, detail: 'There is no such subscription.' },
  source_not_found: { status: 404, detail: 'There is no such source.' },
  message_not_found: { status: 404, detail: 'There is no such message.' },
  delivery_not_found: {
    status: 404,
    detail: 'The message has no delivery that could be tried, and no subscription that wants it.',
  },
  task_not_found: { status: 404, detail: 'There is no such task.' },
  payload_removed: {
    status: 410,
    detail: 'The payload was removed, at the end of its retention period or because it was expunged.',
  },
  method_not_allowed: { status: 405, detail: 'This path exists, but not with this method.' },
  body_too_large: { status: 413, detail: 'The body is larger than MAX_BODY.' },
  content_type_not_allowed: { status: 415, detail: 'The source does not take this content type.' },
  unsupported_encoding: { status: 415, detail: 'The Content-Encoding of the body is not understood.' },
  limit_reached: { status: 422, detail: 'There are as many already as there may be.' },
  bad_request: { status: 400, detail: 'The request could not be read.' },
  request_timeout: { status: 408, detail: 'The request did not arrive in time.' },
  headers_too_large: { status: 431, detail: 'The URL and headers are larger than 16 KB.' },
  not_ready: { status: 503, detail: 'The gateway is not ready.' },
  edit_conflict: { status: 409, detail: 'Others changed this at the same time. Try again.' },
  tasks_unfinished: { status: 409, detail: 'As many tasks as there may be are not finished. Ask again once they are.' },
  webhook_secret_missing: { status: 503, detail: 'WEBHOOK_SECRET is not set, so no signature can be checked.' },
  svix_not_configured: { status: 503, detail: 'SVIX_TOKEN is not set, and SVIX_REQUIRED is: nothing was accepted.' },
  store_unavailable: { status: 503, detail: 'The store cannot commit at the moment; nothing was accepted. Try again.' },
  overloaded: { status: 503, detail: 'Too much is waiting already; nothing was accepted. Try again.' },
  loop_detected: { status: 508, detail: 'The event went through more gateways than MAX_HOPS allows: it is in a loop.' },
  shutting_down: { status: 503, detail: 'The gateway is shutting down; nothing was accepted. Try again.' },
  internal: { status: 500, detail: 'Something went wrong inside the gateway; its log has the request id.' },
} as const satisfies Record<string, { status: number; detail: string }>

export type ErrorCode = keyof typeof ERRORS

/** Details for a request that only reads: it sends nothing that could be accepted. */
const READ_DETAILS: Partial<Record<ErrorCode, string>> = {
  store_unavailable: 'The store cannot answer at the moment. Try again.',
  overloaded: 'Too much is waiting already. Try again.',
  shutting_down: 'The gateway is shutting down. Try again.',
}

/** One problem of a request: its place (`['body', 'target_url']`), words, and a stable kind. */
export interface Issue {
  loc: (string | number)[]
  msg: string
  type: string
}

const ISSUES_MAX = 100
const ISSUE_CHARS_MAX = 1_024

/** The first problems, and how many more there are: a refusal must not be many times as large as its request. */
function bounded(issues: readonly Issue[]): Issue[] {
  const told = issues.slice(0, ISSUES_MAX).map(({ loc, msg, type }) => ({
    loc: loc.map((step) => (typeof step === 'string' ? cut(step) : step)),
    msg: cut(msg),
    type,
  }))
  const left = issues.length - told.length
  if (left > 0) told.push({ loc: issues[ISSUES_MAX]!.loc.slice(0, 1), msg: `and ${left} more problems`, type: 'more' })
  return told
}

const cut = (text: string): string => (text.length > ISSUE_CHARS_MAX ? `${text.slice(0, ISSUE_CHARS_MAX)}…` : text)

/** A refusal with a code of the catalogue. Only the HTTP edge turns it into an answer. */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly issues: readonly Issue[] | null

  constructor(code: ErrorCode, options: { detail?: string; issues?: readonly Issue[]; cause?: unknown } = {}) {
    super(options.detail ?? ERRORS[code].detail, { cause: options.cause })
    this.name = 'GatewayError'
    this.code = code
    this.issues = options.issues === undefined ? null : bounded(options.issues)
  }

  get status(): number {
    return ERRORS[this.code].status
  }
}

/** The error of a write with an unknown result: the connection, or the store, ended before it answered. */
export class OutcomeUnknown extends GatewayError {
  constructor(what: string, cause?: unknown) {
    super('store_unavailable', { detail: `${what}; the outcome is unknown.`, cause })
  }
}

/** The refusal in the words for a request that only reads. A detail of its own stays. */
export function refusalOfRead(error: GatewayError): GatewayError {
  const detail = READ_DETAILS[error.code]
  if (detail === undefined || error.message !== ERRORS[error.code].detail) return error
  return new GatewayError(error.code, { detail, cause: error.cause })
}

/** A validation error about one place. */
export function invalid(loc: (string | number)[], msg: string, type = 'value_error'): GatewayError {
  return new GatewayError('validation', { issues: [{ loc, msg, type }] })
}
