import type { Attack } from './attack.ts'
import { loop } from './attacks/loop.ts'

/** Every attack by its name: `npm run attack -- <name>`. */
export const ATTACKS: Record<string, Attack> = { loop }
