import type { Attack } from './attack.ts'

/** Every attack by its name: `npm run attack -- <name>`. */
export const ATTACKS: Record<string, Attack> = {}
