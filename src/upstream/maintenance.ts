import { command } from '../resp/encode.js'
import type { UpstreamConnection } from './connection.js'
import type { Endpoint } from './endpoint.js'
import { StepReply } from './handshake.js'
import type { Lane } from './lane.js'
import { relogIn } from './relogin.js'

/** Age in ms of its oldest unanswered command from which a shared connection is avoided by new ones. */
const SLOW_FROM = 100

const PING = command('PING')

/** How often a connection was seen to have carried commands; kept here because only the sweep asks. */
const carriedBefore = new WeakMap<UpstreamConnection, number>()

/**
 * One look at everything that has a time limit on an endpoint. Called every 50 to 100 ms, so that no command, waiter or
 * connection needs a timer of its own; limits are therefore kept to within that much.
 */
export function sweep(endpoint: Endpoint, now: number): void {
  let expired = 0
  let readAt = -Infinity
  for (const connection of [...endpoint.members.keys()]) {
    readAt = Math.max(readAt, connection.readAt)
    expired += sweepConnection(endpoint, connection, now)
  }
  endpoint.observe(readAt, expired, now)
  endpoint.subscriptions.sweep(now)
  const outage = endpoint.outage
  for (const lane of endpoint.lanes.values()) {
    sweepWaiters(endpoint, lane, now)
    if (outage !== null) lane.refuseAll(outage)
  }
  endpoint.ensureMinimum()
}

function sweepWaiters(endpoint: Endpoint, lane: Lane, now: number): void {
  endpoint.counts.timeouts += lane.waiting.refuseExpired(now, 'holdExpired')
  endpoint.counts.timeouts += lane.leaseWaiting.refuseExpired(
    now,
    endpoint.downSince === null ? 'leaseTimeout' : 'holdExpired',
  )
}

/** Answers how many of its commands have run out of time, its handshake included. */
function sweepConnection(endpoint: Endpoint, connection: UpstreamConnection, now: number): number {
  const { connectTimeout } = endpoint.settings.upstream
  switch (connection.state.current) {
    case 'connecting':
    case 'handshaking':
      if (now - connection.openedAt <= connectTimeout) return 0
      connection.giveUp()
      return 1
    case 'draining':
      if (!connection.leaving || now - connection.lastHeard <= connectTimeout) return connection.expire(now)
      connection.close('timeout', 'did not close')
      return 0
    case 'closed':
      return 0
    case 'ready':
      return sweepReady(endpoint, connection, now)
  }
}

function sweepReady(endpoint: Endpoint, connection: UpstreamConnection, now: number): number {
  if (connection.carried !== carriedBefore.get(connection)) {
    carriedBefore.set(connection, connection.carried)
    connection.lastUsed = now
  }
  const expired = connection.expire(now)
  if (connection.holder?.pauses ?? endpoint.isFree(connection)) relogIn(endpoint, connection)
  // Also one that is never idle grows old: it answers what it owes and goes.
  if (now >= connection.retireAt && endpoint.isFree(connection)) connection.drain('lifetime')
  else if (connection.inflight.length > 0) connection.slow = now - connection.inflight.peek()!.since > SLOW_FROM
  else if (endpoint.isFree(connection)) sweepIdle(endpoint, connection, now)
  return expired
}

function sweepIdle(endpoint: Endpoint, connection: UpstreamConnection, now: number): void {
  const { upstream, pool } = endpoint.settings
  if (isIdle(endpoint, connection, now)) connection.drain('idle')
  else if (
    endpoint.suspected ||
    (now - connection.lastHeard > pool.healthCheckInterval && pool.healthCheckInterval > 0)
  ) {
    connection.sendText(new StepReply(now, now + upstream.commandTimeout, () => {}), PING)
  }
}

/** Idle for too long, and not one of those that are kept open ahead of need. */
function isIdle(endpoint: Endpoint, connection: UpstreamConnection, now: number): boolean {
  const { idleTimeout, min } = endpoint.settings.pool
  if (idleTimeout === 0 || now - connection.lastUsed <= idleTimeout) return false
  const home = endpoint.home.shared
  return !home.includes(connection) || home.length > min
}
