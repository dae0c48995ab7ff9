/** Settings of the notifications that go to Svix. */
import { isJsonPointer } from '../domain/json-pointer.ts'
import { type SvixApp, svixAppProblem } from '../domain/svix-id.ts'
import { hidden, mapped, schedule, text, yesOrNo } from './kinds.ts'
import { type Kind, secret, setting } from './setting.ts'

const serverUrlProblem = (url: string) =>
  URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
    ? null
    : `"${url}" is not a URL that begins with https:// or http://`

function appProblem(app: string): string | null {
  const pointerProblem = isJsonPointer(app) ? null : 'is not a JSON pointer'
  const problem = app.startsWith('/') ? pointerProblem : svixAppProblem(app)
  return problem && `"${app}" ${problem}; a JSON pointer into the event begins with "/"`
}

/** Null when it is not set. */
const svixApp: Kind<SvixApp | null> = mapped(text(appProblem), (app) => {
  if (app === '') return null
  return app.startsWith('/') ? { pointer: app } : { id: app }
})

export const SVIX = {
  svixToken: secret('SVIX_TOKEN', hidden(text()), {
    means:
      'token of the Svix API. Without it `POST /notifications` stores and publishes events, says so, and keeps ' +
      'their deliveries to Svix until the token is set',
    valid: 'a token of the Svix dashboard',
  }),
  svixServerUrl: setting(
    'SVIX_SERVER_URL',
    mapped(text(serverUrlProblem), (url) => url || null),
    {
      means: "the Svix server; unset lets the token's region decide",
      valid: 'a URL that begins with `https://` or `http://`',
    },
  ),
  svixApp: setting('SVIX_APP_ID', svixApp, {
    means: 'the Svix application that gets the events; needed with `SVIX_TOKEN`',
    valid:
      "an application's id or uid, or a JSON pointer to it in the event, such as `/project`; an event without a " +
      'text there is refused',
  }),
  svixRetryScheduleMs: setting('SVIX_RETRY_SCHEDULE', schedule('5s,30s,2m,10m,30m,1h,2h,4h,8h,12h,24h,24h,24h'), {
    means: 'waits after Svix could not be reached or failed',
    valid: 'as `RETRY_SCHEDULE`',
  }),
  svixRequired: setting('SVIX_REQUIRED', yesOrNo(false), {
    means: '`POST /notifications` is 503 `svix_not_configured` without `SVIX_TOKEN`',
  }),
}
