/**
 * Brings all secret texts under the newest key, while gateways run. A text is replaced only if it is unchanged since it
 * was read. A text under the newest key is left alone, so a run that was interrupted is simply started again.
 */
import { type Encryption, Undecryptable } from '../domain/encryption.ts'
import { countMeta, countRow, type KeyCounts, renewMeta, renewRow, type SecretRow } from './keys.ts'

export interface MetaRow {
  name: string
  value: string
}

/** The parts of an engine that rekeying needs. */
export interface SecretRows {
  /** Ids of the keys under which records may be. */
  usedKeys(): Promise<string[]>
  /** Endpoints and sources after `after`, deleted endpoints included, ordered by application and id. */
  secrets(after: SecretRow | null, max: number): Promise<SecretRow[]>
  meta(): Promise<MetaRow[]>
  /** Replaces the rows that are still unchanged, in one transaction. */
  replaceSecrets(changes: readonly Change<SecretRow>[]): Promise<void>
  replaceMeta(changes: readonly Change<MetaRow>[]): Promise<void>
  /** Notes that records are under none of these keys any more. */
  forgetKeys(ids: readonly string[]): Promise<void>
}

export interface Change<T> {
  before: T
  after: T
}

export interface Rekeyed {
  newest: string
  /** Number of texts under each key; `null` counts those in the clear. */
  counts: KeyCounts
  /** Keys under which no record is any more. */
  unused: string[]
  /** The texts that could not be decrypted, a sentence each; only the first few. */
  problems: string[]
}

/** Rows of one transaction: a gateway that wants to write waits no longer than that takes. */
const STEP_ROWS = 200
/** A row that a gateway changed at the same moment is handled by the next pass. */
const PASSES_MAX = 4
const PROBLEMS_MAX = 20

export const GATEWAYS_FIRST =
  'no gateway has been started with the first key of ENCRYPTION_KEY yet: start all of them with it, or they could not read what is encrypted with it'

/** Throws an Error of one line when the newest key is not in use by gateways, or another one is missing. */
export async function rekey(
  rows: SecretRows,
  encryption: Encryption,
  onProgress: (done: { rewritten: number }) => void,
): Promise<Rekeyed> {
  const newest = encryption.keyId
  const used = await rows.usedKeys()
  if (newest === null || !used.includes(newest)) throw new Error(GATEWAYS_FIRST)
  const run = new Run(rows, encryption, onProgress)
  for (let pass = 1; pass <= PASSES_MAX; pass++) if ((await run.pass()) === 0) break
  const unused = used.filter((id) => id !== newest && !run.counts.has(id))
  if (run.problems.length === 0) await rows.forgetKeys(unused)
  return { newest, counts: run.counts, unused: run.problems.length === 0 ? unused : [], problems: run.problems }
}

class Run {
  counts: KeyCounts = new Map()
  problems: string[] = []
  #rewritten = 0
  readonly #rows: SecretRows
  readonly #encryption: Encryption
  readonly #onProgress: (done: { rewritten: number }) => void

  constructor(rows: SecretRows, encryption: Encryption, onProgress: (done: { rewritten: number }) => void) {
    this.#rows = rows
    this.#encryption = encryption
    this.#onProgress = onProgress
  }

  /** Looks at each text once. Returns how many rows it had to rewrite; `counts` are those from before that. */
  async pass(): Promise<number> {
    this.counts = new Map()
    this.problems = []
    const before = this.#rewritten
    for (let after: SecretRow | null = null; ;) {
      const page: SecretRow[] = await this.#rows.secrets(after, STEP_ROWS)
      for (const row of page) countRow(this.counts, row)
      const changes = this.#changes(page, (row) => renewRow(this.#encryption, row))
      if (changes.length > 0) await this.#rows.replaceSecrets(changes)
      this.#told(changes.length)
      if (page.length < STEP_ROWS) break
      after = page.at(-1)!
    }
    const meta = await this.#rows.meta()
    for (const row of meta) countMeta(this.counts, row)
    const changes = this.#changes(meta, (row) => {
      const value = renewMeta(this.#encryption, row)
      return value === null ? null : { ...row, value }
    })
    if (changes.length > 0) await this.#rows.replaceMeta(changes)
    this.#told(changes.length)
    return this.#rewritten - before
  }

  #changes<T>(page: readonly T[], renew: (row: T) => T | null): Change<T>[] {
    return page.flatMap((before) => {
      try {
        const after = renew(before)
        return after === null ? [] : [{ before, after }]
      } catch (error) {
        if (!(error instanceof Undecryptable)) throw error
        if (this.problems.length < PROBLEMS_MAX) this.problems.push(error.message)
        return []
      }
    })
  }

  #told(rewritten: number): void {
    this.#rewritten += rewritten
    if (rewritten > 0) this.#onProgress({ rewritten: this.#rewritten })
  }
}
