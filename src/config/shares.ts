import type { Config, ListenerLimits } from './config.js'
import { deepFreeze } from './freeze.js'

/** What all workers together may have of something: the first ones have one more where it cannot be divided. */
export function share(total: number, workers: number, index: number): number {
  return Math.floor(total / workers) + (index < total % workers ? 1 : 0)
}

/**
 * The configuration of one of several workers: its share of every limit that is one for the whole service. Others, such as those of one connection, are the
 * same everywhere.
 *
 * @param index from 0
 */
export function shareOf(config: Config, index: number): Config {
  const { workers } = config
  const of = (total: number): number => share(total, workers, index)
  const { pool, limits, upstream, scripts, cache } = config
  const { leases } = pool
  const listen = config.listen.map((one) =>
    one.limits === undefined ? one : { ...one, limits: apart(one.limits, of) },
  )
  return deepFreeze({
    ...config,
    listen,
    upstream: { ...upstream, maxHeld: of(upstream.maxHeld) },
    pool: {
      ...pool,
      max: of(pool.max),
      min: of(pool.min),
      leases: {
        ...leases,
        max: of(leases.max),
        maxWaiters: of(leases.maxWaiters),
        reserve: of(leases.reserve),
        // 0 stands for as many as there are.
        maxBlocking: leases.maxBlocking === 0 ? 0 : of(leases.maxBlocking),
      },
    },
    limits: { ...limits, connections: of(limits.connections), bufferedBytes: of(limits.bufferedBytes) },
    cache: { ...cache, maxBytes: of(cache.maxBytes), maxEntries: Math.max(1, of(cache.maxEntries)) },
    scripts: { cacheCount: of(scripts.cacheCount), cacheBytes: of(scripts.cacheBytes) },
  })
}

/** Nobody gets nothing, as 0 stands for any number. */
function apart(limits: ListenerLimits, of: (total: number) => number): ListenerLimits {
  const part = (total: number): number => (total === 0 ? 0 : Math.max(1, of(total)))
  const { connections, commandsPerSecond, bufferedBytes } = limits
  return {
    connections: part(connections),
    commandsPerSecond: part(commandsPerSecond),
    bufferedBytes: part(bufferedBytes),
  }
}
