/**
 * Endpoints that tell an organization about its own endpoints and failing messages. They belong to an application in
 * the management organization, which is made with the first of them.
 */
import type { Application } from '../../domain/application.ts'
import { LIMITS } from '../../domain/limits.ts'
import { MANAGEMENT_ORG } from '../../domain/operational.ts'
import { findOrCreateApplication } from '../../manage/applications.ts'
import type { EndpointCollection } from './endpoints.ts'
import type { SvixContext } from './operation.ts'
import type { Principal } from './principal.ts'
import { SvixError } from './problems.ts'

const find = async (
  { applications }: SvixContext,
  { principal }: { principal: Principal },
): Promise<Application | null> => applications.find(MANAGEMENT_ORG, principal.orgId)

async function existing(context: SvixContext, call: { principal: Principal }): Promise<Application> {
  const found = await find(context, call)
  if (found === null) throw new SvixError('not_found')
  return found
}

async function made(context: SvixContext, { principal }: { principal: Principal }): Promise<Application> {
  const found = await find(context, { principal })
  if (found !== null) return found
  const settings = { name: principal.orgId, uid: principal.orgId, throttleRate: null, metadata: {} }
  const created = await findOrCreateApplication(context.manage, MANAGEMENT_ORG, settings)
  if (created === null) throw new SvixError('conflict')
  return created
}

export const OPERATIONAL: EndpointCollection = {
  path: '/operational-webhook/endpoint',
  operations: 'v1.operational-webhook.endpoint',
  access: () => 'organization',
  application: existing,
  toCreateIn: made,
  limit: () => ({ max: LIMITS.operationalEndpointsMax, by: 'the gateway' }),
  toList: find,
}
