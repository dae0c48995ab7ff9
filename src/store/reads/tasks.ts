import { taskRow } from '../rows/task.ts'
import { every, first, type Read, stretchValues } from './read.ts'

const getTask: Read<'getTask'> = {
  name: 'task-get',
  sql: () => `SELECT ${taskRow.names()} FROM task WHERE org_id = $1 AND id = $2`,
  values: (orgId, id) => [orgId, id],
  result: first(taskRow.from),
}

/**
 * Walks the organization's tasks from the beginning of the page: each task was asked for by a request, so there are
 * few.
 */
const listTasks: Read<'listTasks'> = {
  sql: (_, direction) =>
    `SELECT ${taskRow.names()} FROM task WHERE org_id = $1 AND id > $4 AND id < $5
       AND (CAST($2 AS text) IS NULL OR status = $2) AND (CAST($3 AS text) IS NULL OR kind = $3)
     ORDER BY id ${direction} LIMIT $6`,
  values: ({ orgId, status, kind }, page) => [orgId, status, kind, ...stretchValues(page)],
  page: (_, page) => page,
  result: every(taskRow.from),
}

export const taskReads = { getTask, listTasks }
