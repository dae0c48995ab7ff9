import { afterAll } from 'vitest'
import { storeConformance } from '../conformance/store.ts'
import { storePool } from './temp-store.ts'

const pool = storePool()
afterAll(() => pool[Symbol.asyncDispose]())

storeConformance('SQLite', () => pool.open())
