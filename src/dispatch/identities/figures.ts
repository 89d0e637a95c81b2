import type { EndpointStats } from '../../metrics/gauges.js'

// Metrics tell servers apart, not users: what the connections of several identities to one server do is told as one.

/** One row for each server and role, with the figures of all rows of it. */
export function summed(rows: readonly EndpointStats[]): EndpointStats[] {
  const byServer = new Map<string, EndpointStats>()
  for (const row of rows) {
    const key = `${row.endpoint} ${row.role}`
    const known = byServer.get(key)
    byServer.set(key, known === undefined ? row : sum(known, row))
  }
  return [...byServer.values()]
}

/** Servers of which figures are kept that nobody is connected to any more. */
const MOST_DEPARTED = 1024

/** The figures of what is no more, with those of what has just ended; those that have not changed for the longest time give way. */
export function departed(before: readonly EndpointStats[], ended: readonly EndpointStats[]): EndpointStats[] {
  return summed([...ended.map(atRest), ...before]).slice(0, MOST_DEPARTED)
}

/** What stays of the figures when all connections are closed. */
function atRest(row: EndpointStats): EndpointStats {
  return { ...row, connections: { idle: 0, shared: 0, pinned: 0, connecting: 0 }, waiters: 0, subscriptions: {} }
}

function sum(a: EndpointStats, b: EndpointStats): EndpointStats {
  return {
    ...a,
    connections: sumEach(a.connections, b.connections),
    hits: a.hits + b.hits,
    misses: a.misses + b.misses,
    timeouts: a.timeouts + b.timeouts,
    stale: a.stale + b.stale,
    waiters: a.waiters + b.waiters,
    opened: a.opened + b.opened,
    subscriptions: sumEach(a.subscriptions, b.subscriptions),
    closed: sumEach(a.closed, b.closed),
  }
}

function sumEach<T extends Record<string, number>>(a: T, b: T): T {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)])) as T
}
