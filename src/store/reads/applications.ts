import { applicationRow } from '../rows/application.ts'
import { every, first, type Read, stretchValues } from './read.ts'

const COLUMNS = applicationRow.names()

const getApplication: Read<'getApplication'> = {
  name: 'application-get',
  sql: () => `SELECT ${COLUMNS} FROM application WHERE id = $1 AND deleted_at IS NULL`,
  values: (id) => [id],
  result: first(applicationRow.from),
}

/** A uid is forgotten when its application is deleted. */
const findApplication: Read<'findApplication'> = {
  name: 'application-find',
  sql: () =>
    `SELECT ${COLUMNS} FROM application WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
     UNION ALL SELECT ${COLUMNS} FROM application WHERE org_id = $1 AND uid = $2 AND id <> $2`,
  values: (orgId, idOrUid) => [orgId, idOrUid],
  result: first(applicationRow.from),
}

const listApplications: Read<'listApplications'> = {
  sql: ({ by }, direction) =>
    `SELECT ${COLUMNS} FROM application ${by('application_live')}
     WHERE org_id = $1 AND id > $2 AND id < $3 AND deleted_at IS NULL ORDER BY id ${direction} LIMIT $4`,
  values: (orgId, page) => [orgId, ...stretchValues(page)],
  page: (_, page) => page,
  result: every(applicationRow.from),
}

export const applicationReads = { getApplication, findApplication, listApplications }
