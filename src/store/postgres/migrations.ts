/**
 * The schema, as numbered steps that are never changed once released. `docs/storage.md` explains the tables. Every key
 * leads with the application, so that the same model can be distributed by it. Ids and all text that is compared sort
 * by their bytes (COLLATE "C"), as everywhere else in the gateway.
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
  name TEXT COLLATE "C" PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE organization (
  id TEXT COLLATE "C" PRIMARY KEY,
  created_at BIGINT NOT NULL
);

CREATE TABLE application (
  org_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  uid TEXT COLLATE "C",
  name TEXT NOT NULL,
  throttle_rate INTEGER,
  metadata TEXT NOT NULL DEFAULT '{}',
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted_at BIGINT,
  PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX application_uid ON application (org_id, uid) WHERE uid IS NOT NULL;
CREATE UNIQUE INDEX application_id ON application (id);
CREATE INDEX application_live ON application (org_id, id) WHERE deleted_at IS NULL;

CREATE TABLE event_type (
  org_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT NOT NULL,
  schemas TEXT,
  archived BOOLEAN NOT NULL DEFAULT FALSE,
  deprecated BOOLEAN NOT NULL DEFAULT FALSE,
  feature_flags TEXT NOT NULL DEFAULT '[]',
  group_name TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (org_id, name)
);

CREATE TABLE endpoint (
  app_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  uid TEXT COLLATE "C",
  driver TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  disabled BOOLEAN NOT NULL,
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
  failing_since BIGINT,
  paused_until BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted_at BIGINT,
  PRIMARY KEY (app_id, id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX endpoint_uid ON endpoint (app_id, uid) WHERE uid IS NOT NULL;
CREATE INDEX endpoint_live ON endpoint (app_id, id) WHERE deleted_at IS NULL;

CREATE TABLE msg (
  app_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  event_id TEXT COLLATE "C",
  event_type TEXT COLLATE "C" NOT NULL,
  channels TEXT,
  tags TEXT,
  content_type TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  payload_bytes INTEGER NOT NULL,
  PRIMARY KEY (app_id, id)
);
CREATE UNIQUE INDEX msg_event_id ON msg (app_id, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX msg_event_type ON msg (app_id, event_type, id);

-- The channels ('c:' and the word) and tags ('t:' and the word) of messages, to find them by; most messages have none.
CREATE TABLE msg_label (
  app_id TEXT COLLATE "C" NOT NULL,
  label TEXT COLLATE "C" NOT NULL,
  msg_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (app_id, label, msg_id)
);

-- The bytes of a message, and the shown payload where it differs. They are apart from the message so that a whole day
-- of them can be dropped at once; expires_at is the message's.
CREATE TABLE payload (
  app_id TEXT COLLATE "C" NOT NULL,
  msg_id TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT NOT NULL,
  bytes BYTEA NOT NULL,
  shown BYTEA,
  PRIMARY KEY (app_id, msg_id, expires_at)
) PARTITION BY RANGE (expires_at);
CREATE TABLE payload_default PARTITION OF payload DEFAULT;
-- An expression, so that only retention uses this index: its statements have the same expression. A payload that is
-- looked for by its key expires at the same time as thousands of others.
CREATE INDEX payload_default_expiry ON payload_default ((expires_at + 0));

-- due_at is when a pending delivery may be tried, and when a leased one's lease ends: nothing open is without it.
CREATE TABLE delivery (
  app_id TEXT COLLATE "C" NOT NULL,
  msg_id TEXT COLLATE "C" NOT NULL,
  endpoint_id TEXT COLLATE "C" NOT NULL,
  run INTEGER NOT NULL,
  retry SMALLINT NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at BIGINT,
  last_attempt_at BIGINT,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'leased', 'delivered', 'failed', 'cancelled')),
  lease_owner TEXT COLLATE "C",
  PRIMARY KEY (app_id, msg_id, endpoint_id, run),
  CHECK ((state IN ('pending', 'leased')) = (due_at IS NOT NULL)),
  CHECK ((state = 'leased') = (lease_owner IS NOT NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
        autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);
CREATE INDEX delivery_pending ON delivery (app_id, endpoint_id, retry, due_at) WHERE state = 'pending';
CREATE INDEX delivery_leased ON delivery (due_at) WHERE state = 'leased';
CREATE INDEX delivery_tried ON delivery (app_id, endpoint_id, state, msg_id, attempts) WHERE run = 0 AND attempts > 0;
CREATE INDEX delivery_untried ON delivery (app_id, endpoint_id, msg_id, attempts)
  WHERE run = 0 AND attempts = 0 AND state = 'cancelled';

-- One row for each endpoint that has pending deliveries, first attempts and retries apart: whose turn is next.
CREATE TABLE lane (
  app_id TEXT COLLATE "C" NOT NULL,
  endpoint_id TEXT COLLATE "C" NOT NULL,
  retry SMALLINT NOT NULL,
  wake_at BIGINT NOT NULL,
  oldest_due_at BIGINT NOT NULL,
  size BIGINT NOT NULL,
  PRIMARY KEY (app_id, endpoint_id, retry)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lane_wake ON lane (retry, wake_at);

CREATE TABLE attempt (
  app_id TEXT COLLATE "C" NOT NULL,
  endpoint_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  msg_id TEXT COLLATE "C" NOT NULL,
  number INTEGER NOT NULL,
  manual BOOLEAN NOT NULL,
  outcome TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  url TEXT NOT NULL,
  status_code INTEGER,
  error TEXT,
  duration_ms INTEGER NOT NULL,
  response TEXT,
  PRIMARY KEY (app_id, endpoint_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX attempt_msg ON attempt (app_id, msg_id, id);
CREATE INDEX attempt_failed ON attempt (app_id, endpoint_id, outcome, id) WHERE outcome <> 'success';
CREATE TABLE attempt_default PARTITION OF attempt DEFAULT;
CREATE INDEX attempt_default_id ON attempt_default (id);

CREATE TABLE idempotency (
  app_id TEXT COLLATE "C" NOT NULL,
  scope TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  msg_id TEXT COLLATE "C" NOT NULL,
  deliveries INTEGER NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (app_id, scope, key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Answers to requests that may be repeated, as they were sent.
CREATE TABLE answer (
  org_id TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  status INTEGER NOT NULL,
  body TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (org_id, key)
);
CREATE INDEX answer_expiry ON answer (expires_at);

-- position is the id from which on the task has not looked at any message yet.
CREATE TABLE task (
  org_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  app_id TEXT COLLATE "C" NOT NULL,
  endpoint_id TEXT COLLATE "C" NOT NULL,
  since BIGINT NOT NULL,
  until BIGINT NOT NULL,
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('running', 'finished')),
  position TEXT COLLATE "C" NOT NULL,
  added BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (org_id, id)
);
CREATE INDEX task_running ON task (updated_at, id) WHERE status = 'running';

-- The inbox. The first six columns are what its users were promised; the others serve order, search and tracing.
CREATE TABLE messages (
  message_id TEXT COLLATE "C" PRIMARY KEY,
  from_msisdn TEXT COLLATE "C" NOT NULL,
  to_msisdn TEXT COLLATE "C" NOT NULL,
  ts TEXT COLLATE "C" NOT NULL,
  text TEXT COLLATE "C",
  created_at TEXT COLLATE "C" NOT NULL,
  ts_key TEXT COLLATE "C" NOT NULL,
  text_folded TEXT COLLATE "C",
  msg_id TEXT COLLATE "C" NOT NULL
);
CREATE INDEX messages_ts ON messages (ts_key, message_id);
CREATE INDEX messages_sender ON messages (from_msisdn, ts_key, message_id);

-- Kept counts, so that no read has to count ten million rows. Messages since the last update of the counts are in
-- inbox_new, one row a message: to add a row there, no transaction waits for another.
CREATE TABLE inbox_sender (
  from_msisdn TEXT COLLATE "C" PRIMARY KEY,
  count BIGINT NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX inbox_sender_top ON inbox_sender (count DESC, from_msisdn);
CREATE TABLE inbox_hour (
  hour TEXT COLLATE "C" PRIMARY KEY,
  count BIGINT NOT NULL
);
CREATE TABLE inbox_total (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  messages BIGINT NOT NULL,
  senders BIGINT NOT NULL
);
INSERT INTO inbox_total (one, messages, senders) VALUES (1, 0, 0);
CREATE TABLE inbox_new (
  from_msisdn TEXT COLLATE "C" NOT NULL,
  hour TEXT COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

INSERT INTO organization (id, created_at) VALUES ('${DEFAULT_ORG}', 0);
INSERT INTO application (org_id, id, uid, name, created_at, updated_at)
  VALUES ('${DEFAULT_ORG}', '${DEFAULT_APP}', '${DEFAULT_APP_UID}', 'Default', 0, 0);
INSERT INTO event_type (org_id, name, description, created_at, updated_at) VALUES
  ${OPERATIONAL_EVENT_TYPES};
`,
  },
  {
    version: 2,
    sql: 'ALTER TABLE msg ADD COLUMN hops SMALLINT NOT NULL DEFAULT 0',
  },
  {
    version: 3,
    sql: `
ALTER TABLE endpoint ADD COLUMN given_up_since BIGINT;
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
-- Messages that were expunged while nodes held deliveries of them, for nodes that were not told. at is the server's time.
CREATE TABLE expunged (
  app_id TEXT COLLATE "C" NOT NULL,
  msg_id TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (app_id, msg_id)
);
CREATE INDEX expunged_at ON expunged (at);
`,
  },
  {
    version: 6,
    sql: `
-- The ids of the keys under which secrets may be. A database that has none holds them in the clear.
CREATE TABLE encryption_key (
  id TEXT COLLATE "C" PRIMARY KEY
);
`,
  },
  {
    // Removes first answers that hold a valid token in the clear. A repeat of such a request gets a new token.
    version: 7,
    sql: `DELETE FROM answer WHERE body LIKE '{"url":"%","token":"%"}'`,
  },
  {
    version: 8,
    sql: `
-- turn is the order in which tasks make their next step; null once one is finished, and while another one of its kind
-- runs for its endpoint.
ALTER TABLE task ADD COLUMN turn BIGINT;
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
    version: 9,
    sql: 'ALTER TABLE msg ADD COLUMN deliver_at BIGINT',
  },
  {
    // Null is unknown: see store/audience.ts.
    version: 10,
    sql: 'ALTER TABLE msg ADD COLUMN named SMALLINT',
  },
  {
    version: 11,
    sql: `
-- Doors for senders. secrets is one encrypted text, as it is in endpoint.
CREATE TABLE source (
  app_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  enabled BOOLEAN NOT NULL,
  settings TEXT COLLATE "C" NOT NULL,
  secrets TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (app_id, id)
);
CREATE UNIQUE INDEX source_id ON source (id);
CREATE UNIQUE INDEX source_name ON source (app_id, name);
`,
  },
  {
    version: 12,
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
    version: 13,
    sql: `
ALTER TABLE endpoint RENAME COLUMN driver TO kind;
ALTER TABLE endpoint ADD COLUMN managed BOOLEAN NOT NULL DEFAULT false;
UPDATE endpoint SET managed = true WHERE kind = 'svix';
`,
  },
]

export const SCHEMA_VERSION = MIGRATIONS.at(-1)!.version
