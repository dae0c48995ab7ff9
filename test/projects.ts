/** The tests by what they need, as vitest's projects. Each test file belongs to exactly one; architecture.test.ts holds that. */
export interface Project {
  include: readonly string[]
  exclude: readonly string[]
}

/** These lie beside tests of another project. */
const UNIT_ELSEWHERE = [
  'test/http/{bounded,wrong-keys}.test.ts',
  'test/redis/breaker.test.ts',
  'test/store/shared/*.test.ts',
  'test/svix/query.test.ts',
]
const SQLITE_ELSEWHERE = ['test/services/{back-pressure,clock-watch,dispatcher-store}.test.ts']
const SERVERS_ELSEWHERE = [
  'test/acceptance/{hints,nodes,secrets,task-nodes}.test.ts',
  'test/svix/stored-answers.test.ts',
]
const PROCESS_ELSEWHERE = [
  'test/{demo,package}.test.ts',
  'test/walkthrough/*.test.ts',
  'test/destinations/svix.test.ts',
]
const SOAK_ELSEWHERE = ['test/store/sqlite-crash.test.ts']

export const PROJECTS: Readonly<Record<string, Project>> = {
  /** One process and its memory: pure functions, fake clocks, local sockets. */
  unit: {
    include: [
      'src/**/*.test.ts',
      'test/{architecture,config,docs}.test.ts',
      'test/{cache,destinations,domain,flow,lib,manage,services,sources,telemetry}/**/*.test.ts',
      ...UNIT_ELSEWHERE,
    ],
    exclude: [...SQLITE_ELSEWHERE, ...PROCESS_ELSEWHERE],
  },
  /** Real SQLite files, with the threads that serve them. */
  sqlite: { include: ['test/store/sqlite*.test.ts', ...SQLITE_ELSEWHERE], exclude: SOAK_ELSEWHERE },
  /** A PostgreSQL or a Redis, which the tests start for themselves. */
  servers: {
    include: ['test/store/{postgres*,copy,migrations,rekey}.test.ts', 'test/redis/**/*.test.ts', ...SERVERS_ELSEWHERE],
    exclude: UNIT_ELSEWHERE,
  },
  /** Whole gateways on SQLite, in this process or in a child. */
  process: {
    include: ['test/{acceptance,http,openapi,svix}/**/*.test.ts', ...PROCESS_ELSEWHERE],
    exclude: [...UNIT_ELSEWHERE, ...SERVERS_ELSEWHERE],
  },
  /** What takes long by its nature, such as `kill -9` again and again: `npm run test:soak`, which `npm test` leaves out. */
  soak: { include: ['test/crash/**/*.test.ts', ...SOAK_ELSEWHERE], exclude: [] },
}
