/**
 * Limits a claim so that endpoints, applications, first attempts and retries all have their turn. An engine goes
 * through its lanes once for each pass, and asks before it takes a delivery.
 */
import { retryShare } from '../../domain/retry-share.ts'
import type { ClaimRequest } from '../port/queue.ts'

type Request = Pick<ClaimRequest, 'max' | 'perEndpointMax' | 'perApplicationMax' | 'payloadBytesMax'>

/** Both maxima include the deliveries that the passes before took. */
export interface Pass {
  retry: 0 | 1
  max: number
  perEndpointMax: number
}

/** Three passes: first attempts, then retries, then first attempts again with the room that is left. */
export function passesOf({ max, perEndpointMax }: Request, turn: number): [Pass, Pass, Pass] {
  const all = { max, perEndpointMax }
  const ofFirst = {
    max: max - retryShare(max, turn),
    perEndpointMax: perEndpointMax - retryShare(perEndpointMax, turn),
  }
  return [
    { retry: 0, ...ofFirst },
    { retry: 1, ...all },
    { retry: 0, ...all },
  ]
}

/** The deliveries that one claim has taken so far, counted. */
export class Takings {
  readonly #request: Request
  readonly #ofEndpoint = new Map<string, number>()
  readonly #ofApplication = new Map<string, number>()
  #count = 0
  #bytes = 0

  constructor(request: Request) {
    this.#request = request
  }

  /** Number of endpoints of which a delivery was taken. */
  get endpoints(): number {
    return this.#ofEndpoint.size
  }

  /**
   * Number of deliveries that this pass may still take. One whose payload goes beyond the bytes is taken, and ends the
   * claim.
   */
  room(pass: Pass): number {
    return this.#bytes >= this.#request.payloadBytesMax ? 0 : Math.max(0, pass.max - this.#count)
  }

  /** Number of those deliveries that may belong to this endpoint. */
  roomOf(appId: string, endpointId: string, pass: Pass): number {
    const ofEndpoint = pass.perEndpointMax - (this.#ofEndpoint.get(endpointId) ?? 0)
    return Math.max(0, Math.min(ofEndpoint, this.roomOfApplication(appId), this.room(pass)))
  }

  roomOfApplication(appId: string): number {
    return this.#request.perApplicationMax - (this.#ofApplication.get(appId) ?? 0)
  }

  take(appId: string, endpointId: string, bytes: number): void {
    this.#count++
    this.#bytes += bytes
    this.#ofEndpoint.set(endpointId, (this.#ofEndpoint.get(endpointId) ?? 0) + 1)
    this.#ofApplication.set(appId, (this.#ofApplication.get(appId) ?? 0) + 1)
  }
}
