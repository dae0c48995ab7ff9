/** A WhatsApp-like message that came in at `/webhook`. Members are named as in its JSON. */
export interface InboxMessage {
  messageId: string
  from: string
  to: string
  /** The timestamp as the sender wrote it. */
  ts: string
  text: string | null
  /** Time of acceptance, ms. */
  createdAt: number
}

export interface InboxQuery {
  limit: number
  offset: number
  /** Only messages of exactly this sender. */
  from: string | null
  /** A valid timestamp: only messages of this instant or later. */
  since: string | null
  /** A part of the text, in any case. */
  q: string | null
}

export interface InboxStats {
  totalMessages: number
  sendersCount: number
  /** The ten senders with the most messages, then by number. */
  messagesPerSender: { from: string; count: number }[]
  firstMessageTs: string | null
  lastMessageTs: string | null
}

/** Longer ids and numbers are refused, because they are keys of indexes. */
export const INBOX_KEY_CHARS_MAX = 1_024
export const INBOX_TEXT_CODE_POINTS_MAX = 4_096

/** Matches a text that looks like a timestamp; `timestampProblem` says whether it is one. */
export const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,32}))?Z$/

/** Null when `text` is a real instant in ISO 8601 UTC with `Z`; otherwise says what would be valid. */
export function timestampProblem(text: string): string | null {
  const match = TIMESTAMP.exec(text)
  if (match === null) return 'has to be a time in UTC such as 2025-01-15T10:00:00Z; fractions of a second are allowed'
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  const isReal =
    year >= 1 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysIn(year, month) &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  return isReal ? null : 'is not a time that exists'
}

function daysIn(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0
}

/**
 * A valid timestamp as a text that sorts by instant: without the `Z`, and without zeros at the end of the fraction, so
 * that one instant has one key and `10:00:00` comes before `10:00:00.5`.
 */
export function timestampKey(ts: string): string {
  const bare = ts.slice(0, -1)
  return bare.includes('.') ? bare.replace(/\.?0+$/, '') : bare
}

/**
 * The form in which texts are compared without regard to case. Lower, upper and lower case again joins letters with
 * several lower-case forms: `ẞ`, `ß` and `ss`, `ς` and `σ`. These steps split some letters (`ΐ`), hence the second NFC.
 */
export const foldCase = (text: string): string =>
  text.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFC')
