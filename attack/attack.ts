/** What an attack is given: a folder of its own for databases, and where the gateways' logs go. */
export interface AttackSettings {
  folder: string
  logFile: string
  /** How many attempts `failures` makes at least; null: as many as it usually does. */
  attempts: number | null
}

/** One thing that has to be true during or after an attack, with the figure that was seen in its words. */
export interface Check {
  what: string
  holds: boolean
}

export interface Attack {
  /** What it does, in one line. */
  about: string
  run(settings: AttackSettings): Promise<Check[]>
}
