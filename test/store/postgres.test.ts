import { afterAll, beforeAll, describe } from 'vitest'
import { storeConformance } from '../conformance/store.ts'
import { missingPostgres } from '../postgres-server.ts'
import { type TempPostgres, tempPostgres } from './temp-postgres.ts'

describe.skipIf(missingPostgres() !== null)('on a real server', () => {
  let postgres: TempPostgres | undefined
  beforeAll(async () => {
    postgres = await tempPostgres()
  })
  afterAll(() => postgres?.[Symbol.asyncDispose]())

  storeConformance('PostgreSQL', () => postgres!.open())
})
