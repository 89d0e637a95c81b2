import type { EndpointStats } from '../metrics/gauges.js'
import type { Lane } from './lane.js'
import type { Subscriptions } from './subscriptions.js'

/** What figures are made of. */
export interface StatsSource {
  readonly name: string
  readonly role: EndpointStats['role']
  readonly downSince: number | null
  readonly breaker: EndpointStats['breaker']
  readonly members: ReadonlyMap<unknown, unknown>
  readonly lanes: ReadonlyMap<string, Lane>
  readonly counts: Pick<EndpointStats, 'hits' | 'misses' | 'timeouts' | 'stale' | 'opened'>
  readonly closings: Record<string, number>
  readonly subscriptions: Subscriptions
}

export function statsOf(endpoint: StatsSource): EndpointStats {
  const connections = { idle: 0, shared: 0, pinned: 0, connecting: 0 }
  let waiters = 0
  for (const lane of endpoint.lanes.values()) {
    connections.idle += lane.idleLeases.length
    connections.shared += lane.shared.length
    connections.connecting += lane.opening + lane.openingLeases
    waiters += lane.waiting.length + lane.leaseWaiting.length
  }
  connections.pinned = endpoint.members.size - connections.idle - connections.shared - connections.connecting
  const { link, topics } = endpoint.subscriptions
  if (link.connection !== null) connections[link.established ? 'shared' : 'connecting']++
  return {
    endpoint: endpoint.name,
    role: endpoint.role,
    up: endpoint.downSince === null,
    breaker: endpoint.breaker,
    connections,
    waiters,
    ...endpoint.counts,
    subscriptions: topics.listening,
    closed: endpoint.closings,
  }
}
