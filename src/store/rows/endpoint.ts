import type { Candidate } from '../../domain/endpoint.ts'
import type { StoredEndpoint } from '../endpoint-codec.ts'
import { type Columns, flag, json, plain, rowOf } from './row-of.ts'

const CANDIDATE: Columns<Candidate> = {
  appId: plain('app_id'),
  id: plain('id'),
  uid: plain('uid'),
  kind: plain('kind'),
  managed: flag('managed'),
  url: plain('url'),
  description: plain('description'),
  disabled: flag('disabled'),
  disabledReason: plain('disabled_reason'),
  eventTypes: json('event_types'),
  channels: json('channels'),
  metadata: json('metadata'),
  rateLimit: plain('rate_limit'),
  timeoutMs: plain('timeout_ms'),
  retryScheduleMs: json('retry_schedule_ms'),
  version: plain('version'),
  failingSince: plain('failing_since'),
  givenUpSince: plain('given_up_since'),
  pausedUntil: plain('paused_until'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
}

/** An endpoint without its secret parts: routing does not have to decrypt them. */
export const candidateRow = rowOf<Candidate>(CANDIDATE)

/** An endpoint with its secret parts in stored form. */
export const endpointRow = rowOf<StoredEndpoint>({ ...CANDIDATE, headers: plain('headers'), secrets: plain('secrets') })

/** Members that the endpoint's owner does not set. */
const NOT_SETTINGS: readonly (keyof StoredEndpoint)[] = [
  'appId',
  'id',
  'createdAt',
  'failingSince',
  'givenUpSince',
  'pausedUntil',
]
const SETTINGS = endpointRow.members.filter((member) => !NOT_SETTINGS.includes(member))

/** The columns that an update replaces. */
export const endpointSettings = endpointRow.part(SETTINGS)

/** The columns of a new endpoint. */
export const endpointInsert = endpointRow.part([...SETTINGS, 'appId', 'id', 'createdAt'])
