/** What a reader of the README has to see. */
import type { Result } from './shell.ts'

/** Pieces are known by something in them; each of these has to be there. */
const SHOWS: readonly [part: string, shown: RegExp][] = [
  ['/health/ready; echo', /\{"status":"ready"\}[\s\S]*^ep_\w+$/m],
  ['echo $MSG', /^msg_\w+$/m],
  ['/deliveries/$MSG; echo', /"id":"msg_[\s\S]*"data":\[\{"id":"atmpt_/],
  ['/deliveries/$FAILED/retry', /"attempt":3[^}]*"outcome":"failure"[\s\S]*"attempt":1/],
  ['/api/v1/app/acme/msg -H "$A"\n', /"eventId":"evt_1"/],
  ['/webhook -H', /\{"status":"ok"\}\n[^\n]*"message_id":"m1"[^\n]*\n\{"total_messages":1,/],
  ['/notifications -H', /"accepted":1,"duplicates":0[^\n]*\n\{"id":"msg_/],
]

const startOf = (text: string): string => text.split('\n')[0]!

function* problemsOfPiece({ text, exitCode, statuses, complaints }: Result): Generator<string> {
  yield* complaints
  if (exitCode === null) yield 'the shell did not get to its end'
  else if (exitCode !== 0) yield `its last command ended with ${exitCode}`
  // With -q it does not read the .curlrc that reports.
  const calls = text.match(/\bcurl (?!-q)/g)?.length ?? 0
  if (statuses.length !== calls) yield `${calls} curl commands got ${statuses.length} answers`
  for (const status of statuses) if (status < 200 || status > 299) yield `an answer was ${status}`
}

/** What is wrong, each with the piece it is about; empty if a reader would be content. `received` is the receiver's output. */
export function problemsOf(results: readonly Result[], received: string): string[] {
  const problems = results.flatMap((result) =>
    [...problemsOfPiece(result)].map((problem) => `${startOf(result.text)}: ${problem}`),
  )
  for (const [part, shown] of SHOWS) {
    const result = results.find(({ text }) => `${text}\n`.includes(part))
    if (result === undefined) problems.push(`no piece has: ${part}`)
    else if (!shown.test(result.stdout)) problems.push(`${part}: shows ${result.stdout}`)
  }
  if (!received.includes('/hook {"order":1,"total":9.90} signature: valid'))
    problems.push(`the receiver did not get the event with a valid signature, but: ${received}`)
  return problems
}
