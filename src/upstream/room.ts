import type { UpstreamConnection } from './connection.js'
import type { Lane } from './lane.js'

/**
 * Sends a shared connection of another lane away: an idle one if there is, else one of the richest lane when it has answered.
 * Its place is free when Redis has closed it too, and goes to who has waited longest then.
 */
export function makeRoom(lane: Lane, lanes: Iterable<Lane>, connections: Iterable<UpstreamConnection>): void {
  const all = [...connections]
  if (all.some((connection) => connection.leaving)) return
  let richest: Lane | null = null
  for (const other of lanes) {
    if (other === lane || other.shared.length === 0) continue
    const idle = other.shared.find(({ state, inflight }) => state.current === 'ready' && inflight.length === 0)
    if (idle !== undefined) return idle.drain('room')
    if (richest === null || other.shared.length > richest.shared.length) richest = other
  }
  // One that drains already will make room soon.
  const draining = all.some(({ state }) => state.current === 'draining')
  if (richest !== null && lane.shared.length === 0 && !draining) richest.shared.at(-1)!.drain('room')
}
