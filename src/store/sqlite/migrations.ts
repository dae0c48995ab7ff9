/**
 * The schema, as numbered steps that are never changed once released. `docs/storage.md` explains the tables. Every key
 * leads with the application, so that the same model can be distributed by it.
 */
import { DEFAULT_APP, DEFAULT_APP_UID, DEFAULT_ORG } from '../../domain/application.ts'
import { MANAGEMENT_ORG, OPERATIONAL_EVENTS } from '../../domain/operational.ts'

const OPERATIONAL_EVENT_TYPES = Object.entries(OPERATIONAL_EVENTS)
  .map(([name, description]) => `('${MANAGEMENT_ORG}', '${name}', '${description}', 0, 0)`)
  .join(',\n  ')

export interface Migration {
  version: number
  sql: string
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organization (
  id TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE application (
  org_id TEXT NOT NULL,
  id TEXT NOT NULL,
  uid TEXT,
  name TEXT NOT NULL,
  throttle_rate INTEGER,
  metadata TEXT NOT NULL DEFAULT '{}',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX application_id ON application (id);
CREATE UNIQUE INDEX application_uid ON application (org_id, uid) WHERE uid IS NOT NULL;
CREATE INDEX application_live ON application (org_id, id) WHERE deleted_at IS NULL;

CREATE TABLE event_type (
  org_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  schemas TEXT,
  archived INTEGER NOT NULL DEFAULT 0,
  deprecated INTEGER NOT NULL DEFAULT 0,
  feature_flags TEXT NOT NULL DEFAULT '[]',
  group_name TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoint (
  app_id TEXT NOT NULL,
  id TEXT NOT NULL,
  uid TEXT,
  driver TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  disabled INTEGER NOT NULL,
  disabled_reason TEXT,
  event_types TEXT,
  channels TEXT,
  headers TEXT NOT NULL,
  metadata TEXT NOT NULL,
  secrets TEXT NOT NULL,
  rate_limit INTEGER,
  timeout_ms INTEGER,
  retry_schedule_ms TEXT,
  version INTEGER NOT NULL,
  failing_since INTEGER,
  paused_until INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  PRIMARY KEY (app_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX endpoint_uid ON endpoint (app_id, uid) WHERE uid IS NOT NULL;
CREATE INDEX endpoint_live ON endpoint (app_id, id) WHERE deleted_at IS NULL;

CREATE TABLE msg (
  app_id TEXT NOT NULL,
  id TEXT NOT NULL,
  event_id TEXT,
  event_type TEXT NOT NULL,
  channels TEXT,
  tags TEXT,
  content_type TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  payload BLOB,
  shown BLOB,
  PRIMARY KEY (app_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX msg_event_id ON msg (app_id, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX msg_event_type ON msg (app_id, event_type, id);
CREATE INDEX msg_expiry ON msg (expires_at) WHERE payload IS NOT NULL;

-- The channels ('c:' and the word) and tags ('t:' and the word) of messages, to find them by; most messages have none.
CREATE TABLE msg_label (
  app_id TEXT NOT NULL,
  label TEXT NOT NULL,
  msg_id TEXT NOT NULL,
  PRIMARY KEY (app_id, label, msg_id)
) STRICT, WITHOUT ROWID;

-- due_at is when a pending delivery may be tried, and when a leased one's lease ends: nothing open is without it.
CREATE TABLE delivery (
  app_id TEXT NOT NULL,
  msg_id TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,
  run INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'leased', 'delivered', 'failed', 'cancelled')),
  retry INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER,
  lease_owner TEXT,
  last_attempt_at INTEGER,
  PRIMARY KEY (app_id, msg_id, endpoint_id, run),
  CHECK ((state IN ('pending', 'leased')) = (due_at IS NOT NULL)),
  CHECK ((state = 'leased') = (lease_owner IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_pending ON delivery (app_id, endpoint_id, retry, due_at) WHERE state = 'pending';
CREATE INDEX delivery_leased ON delivery (due_at) WHERE state = 'leased';
CREATE INDEX delivery_tried ON delivery (app_id, endpoint_id, state, msg_id, attempts) WHERE run = 0 AND attempts > 0;
CREATE INDEX delivery_untried ON delivery (app_id, endpoint_id, msg_id, attempts)
  WHERE run = 0 AND attempts = 0 AND state = 'cancelled';

-- One row for each endpoint that has pending deliveries, first attempts and retries apart: whose turn is next.
CREATE TABLE lane (
  app_id TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,
  retry INTEGER NOT NULL,
  wake_at INTEGER NOT NULL,
  oldest_due_at INTEGER NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY (app_id, endpoint_id, retry)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_wake ON lane (retry, wake_at);

CREATE TABLE attempt (
  app_id TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,
  id TEXT NOT NULL,
  msg_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  manual INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  at INTEGER NOT NULL,
  url TEXT NOT NULL,
  status_code INTEGER,
  error TEXT,
  duration_ms INTEGER NOT NULL,
  response TEXT,
  PRIMARY KEY (app_id, endpoint_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_msg ON attempt (app_id, msg_id, id);
CREATE INDEX attempt_failed ON attempt (app_id, endpoint_id, outcome, id) WHERE outcome <> 'success';

CREATE TABLE idempotency (
  app_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  msg_id TEXT NOT NULL,
  deliveries INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (app_id, scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Answers to requests that may be repeated, as they were sent.
CREATE TABLE answer (
  org_id TEXT NOT NULL,
  key TEXT NOT NULL,
  status INTEGER NOT NULL,
  body TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (org_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_expiry ON answer (expires_at);

-- position is the id from which on the task has not looked at any message yet.
CREATE TABLE task (
  org_id TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  app_id TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('running', 'finished')),
  position TEXT NOT NULL,
  added INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_running ON task (updated_at, id) WHERE status = 'running';

-- The inbox. The first six columns are what its users were promised; the others serve order, search and tracing.
CREATE TABLE messages (
  message_id TEXT PRIMARY KEY,
  from_msisdn TEXT NOT NULL,
  to_msisdn TEXT NOT NULL,
  ts TEXT NOT NULL,
  text TEXT,
  created_at TEXT NOT NULL,
  ts_key TEXT NOT NULL,
  text_folded TEXT,
  msg_id TEXT NOT NULL
) STRICT;
CREATE INDEX messages_ts ON messages (ts_key, message_id);
CREATE INDEX messages_sender ON messages (from_msisdn, ts_key, message_id);

-- Kept counts, so that no read has to count ten million rows.
CREATE TABLE inbox_sender (
  from_msisdn TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_sender_top ON inbox_sender (count DESC, from_msisdn);
CREATE TABLE inbox_hour (
  hour TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE inbox_total (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  messages INTEGER NOT NULL,
  senders INTEGER NOT NULL
) STRICT;
INSERT INTO inbox_total (one, messages, senders) VALUES (1, 0, 0);

INSERT INTO organization (id, created_at) VALUES ('${DEFAULT_ORG}', 0);
INSERT INTO application (org_id, id, uid, name, created_at, updated_at)
  VALUES ('${DEFAULT_ORG}', '${DEFAULT_APP}', '${DEFAULT_APP_UID}', 'Default', 0, 0);
INSERT INTO event_type (org_id, name, description, created_at, updated_at) VALUES
  ${OPERATIONAL_EVENT_TYPES};
`,
  },
  {
    // The column lies behind the payload, which is read whenever `hops` is.
    version: 2,
    sql: 'ALTER TABLE msg ADD COLUMN hops INTEGER NOT NULL DEFAULT 0',
  },
  {
    version: 3,
    sql: `
ALTER TABLE endpoint ADD COLUMN given_up_since INTEGER;
-- Every success looks here whether there is a run of failures to end.
CREATE INDEX endpoint_failing ON endpoint (app_id, id) WHERE failing_since IS NOT NULL;
`,
  },
  {
    version: 4,
    sql: 'ALTER TABLE delivery ADD COLUMN spared INTEGER NOT NULL DEFAULT 0',
  },
  {
    version: 5,
    sql: `
-- The ids of the keys under which secrets may be. A database that has none holds them in the clear.
CREATE TABLE encryption_key (
  id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
`,
  },
  {
    // Removes first answers that hold a valid token in the clear. A repeat of such a request gets a new token.
    version: 6,
    sql: `DELETE FROM answer WHERE body LIKE '{"url":"%","token":"%"}'`,
  },
  {
    version: 7,
    sql: `
-- turn is the order in which tasks make their next step; null once one is finished, and while another one of its kind
-- runs for its endpoint.
ALTER TABLE task ADD COLUMN turn INTEGER;
UPDATE task SET turn = 0 WHERE status = 'running' AND id = (
  SELECT min(t.id) FROM task t WHERE t.status = 'running' AND t.app_id = task.app_id
    AND t.endpoint_id = task.endpoint_id AND t.kind = task.kind);
DROP INDEX task_running;
CREATE INDEX task_turn ON task (turn, updated_at, id) WHERE turn IS NOT NULL;
CREATE INDEX task_turn_of ON task (org_id, turn) WHERE turn IS NOT NULL;
CREATE UNIQUE INDEX task_runs ON task (app_id, endpoint_id, kind) WHERE turn IS NOT NULL;
CREATE INDEX task_open ON task (app_id, endpoint_id, kind, id) WHERE status = 'running';
`,
  },
  {
    version: 8,
    sql: 'ALTER TABLE msg ADD COLUMN deliver_at INTEGER',
  },
  {
    // Null is unknown: see store/audience.ts.
    version: 9,
    sql: 'ALTER TABLE msg ADD COLUMN named INTEGER',
  },
  {
    version: 10,
    sql: `
-- Doors for senders. secrets is one encrypted text, as it is in endpoint.
CREATE TABLE source (
  app_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  provider TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  settings TEXT NOT NULL,
  secrets TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (app_id, id)
) STRICT;
CREATE UNIQUE INDEX source_id ON source (id);
CREATE UNIQUE INDEX source_name ON source (app_id, name);
`,
  },
  {
    version: 11,
    sql: `
-- Lists of deliveries by status: what did not end well, or has not ended and is not under way.
CREATE INDEX delivery_unfinished ON delivery (app_id, state, msg_id, endpoint_id)
  WHERE run = 0 AND (state = 'pending' OR state = 'failed' OR state = 'cancelled');
CREATE INDEX delivery_unsent ON delivery (app_id, endpoint_id, state, msg_id)
  WHERE run = 0 AND attempts = 0 AND (state = 'pending' OR state = 'failed');
`,
  },
  {
    // The kind of destination and the owner of the endpoint are two facts.
    version: 12,
    sql: `
ALTER TABLE endpoint RENAME COLUMN driver TO kind;
ALTER TABLE endpoint ADD COLUMN managed INTEGER NOT NULL DEFAULT 0;
UPDATE endpoint SET managed = 1 WHERE kind = 'svix';
`,
  },
]

export const SCHEMA_VERSION = MIGRATIONS.at(-1)!.version
