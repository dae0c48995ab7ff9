import type { ApplicationCache } from '../cache/application-cache.ts'
import { type Application, DEFAULT_APP } from '../domain/application.ts'

/** The application that the plain routes work on. */
export async function readDefaultApplication(applications: Pick<ApplicationCache, 'get'>): Promise<Application> {
  const application = await applications.get(DEFAULT_APP)
  // Migrations make it, and no request can delete it.
  if (application === null) throw new Error('the default application is missing')
  return application
}
