import { LIMITS } from './limits.ts'

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'
const TIME = '(?<time>\\d\\d:\\d\\d:\\d\\d)'
const MONTH = '(?<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
// RFC 9110, section 5.6.7: the format to send, and two obsolete ones that a recipient must still read. Case matters.
const DATE_FORMATS = [
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
]

/**
 * Reads a `Retry-After` header (RFC 9110, section 10.2.3: seconds, or an HTTP-date in any of its three formats).
 * Returns the wait in ms from `now` (ms since 1970): 0 for a date in the past, at most `LIMITS.retryAfterMaxMs`. Null
 * when the header is missing or is anything else, such as a negative or fractional number or a day that does not exist.
 */
export function parseRetryAfter(value: string | undefined, now: number): number | null {
  if (value === undefined) return null
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1_000 : dateWaitMs(value, now)
  return waitMs === null ? null : Math.min(Math.max(waitMs, 0), LIMITS.retryAfterMaxMs)
}

function dateWaitMs(text: string, now: number): number | null {
  for (const format of DATE_FORMATS) {
    const groups = format.exec(text)?.groups
    if (groups === undefined) continue
    const at = instant(groups, now)
    return at === null ? null : at - now
  }
  return null
}

function instant(groups: Record<string, string>, now: number): number | null {
  const { day = '', month = '', year = '', time = '' } = groups
  const [hour = 0, minute = 0, second = 0] = time.split(':').map(Number)
  const monthIndex = MONTHS.indexOf(month) / 3
  const fullYear = year.length === 2 ? nearestYear(Number(year), now) : Number(year)
  const date = new Date(0)
  // Date.UTC is not used: it moves the years 0 to 99 into the twentieth century.
  date.setUTCFullYear(fullYear, monthIndex, Number(day))
  // 30 February would become a day in March. The grammar allows second 60 for leap seconds.
  if (date.getUTCDate() !== Number(day) || hour > 23 || minute > 59 || second > 60) return null
  return date.setUTCHours(hour, minute, second)
}

// RFC 9110, section 5.6.7: a two-digit year that would be more than 50 years ahead is a year in the past.
function nearestYear(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear()
  const ahead = (100 + twoDigits - (thisYear % 100)) % 100
  return thisYear + (ahead > 50 ? ahead - 100 : ahead)
}
