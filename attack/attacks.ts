import type { Attack } from './attack.ts'
import { bodies } from './attacks/bodies.ts'
import { deletedFile } from './attacks/deleted-file.ts'
import { descriptors } from './attacks/descriptors.ts'
import { failures } from './attacks/failures.ts'
import { fullDisk } from './attacks/full-disk.ts'
import { fuzzAttack } from './attacks/fuzz.ts'
import { hangingTenant } from './attacks/hanging-tenant.ts'
import { loop } from './attacks/loop.ts'
import { receivers } from './attacks/receivers.ts'
import { silentDns } from './attacks/silent-dns.ts'
import { slowClients } from './attacks/slow-clients.ts'
import { tasks } from './attacks/tasks.ts'
import { unread } from './attacks/unread.ts'

/** Every attack by its name: `npm run attack -- <name>`. */
export const ATTACKS: Record<string, Attack> = {
  fuzz: fuzzAttack,
  loop,
  receivers,
  failures,
  'silent-dns': silentDns,
  unread,
  descriptors,
  bodies,
  'slow-clients': slowClients,
  'deleted-file': deletedFile,
  'full-disk': fullDisk,
  'hanging-tenant': hangingTenant,
  tasks,
}
