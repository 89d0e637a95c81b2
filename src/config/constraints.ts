import { ACCESS_CONSTRAINTS } from './access-checks.js'
import { describeAddress, reaches } from './address.js'
import type { Address } from './config.js'
import type { Settings } from './schema.js'
import { TLS_CONSTRAINTS } from './tls.js'

/** Something that must hold between several keys. */
interface Constraint {
  /** The keys concerned; the mistake is reported at the first of them that is given. */
  paths: string[]
  /** What is wrong and what to do; null if nothing. */
  violation: (settings: Settings) => string | null
}

const ordered = (paths: [string, string], violated: (settings: Settings) => boolean): Constraint => ({
  paths,
  violation: (settings) =>
    violated(settings) ? `must not be more than ${paths[1]} (lower it, or raise ${paths[1]})` : null,
})

/** Each worker must get some of it. */
function divided(path: string, total: (settings: Settings) => number): Constraint {
  return {
    paths: ['workers', path],
    violation: (settings) =>
      total(settings) < settings.workers
        ? `must not be more than ${path}, which is divided among the workers (raise ${path}, or have fewer workers)`
        : null,
  }
}

export const CONSTRAINTS: readonly Constraint[] = [
  ordered(['pool.min', 'pool.max'], ({ pool }) => pool.min > pool.max),
  ordered(['upstream.reconnect.minDelay', 'upstream.reconnect.maxDelay'], ({ upstream: { reconnect } }) => {
    return reconnect.minDelay > reconnect.maxDelay
  }),
  ordered(['limits.outputBytes', 'limits.bufferedBytes'], ({ limits }) => limits.outputBytes > limits.bufferedBytes),
  divided('pool.max', ({ pool }) => pool.max),
  divided('pool.leases.max', ({ pool }) => pool.leases.max),
  divided('pool.leases.maxBlocking', ({ pool }) => pool.leases.maxBlocking || Infinity),
  divided('limits.connections', ({ limits }) => limits.connections),
  { paths: ['limits.bufferedBytes', 'workers', 'limits.outputBytes'], violation: smallShares },
  { paths: ['upstream.url', 'listen'], violation: loop },
  { paths: ['listen'], violation: sharedListener },
  { paths: ['listen', 'upstream.url'], violation: oneForMany },
  { paths: ['listen', 'upstream.url'], violation: noReplicas },
  { paths: ['listen'], violation: readsElsewhere },
  { paths: ['admin', 'listen'], violation: adminOnListener },
  ...TLS_CONSTRAINTS,
  ...ACCESS_CONSTRAINTS,
]

function smallShares({ workers, limits }: Settings): string | null {
  if (workers === 1 || limits.bufferedBytes / workers >= limits.outputBytes) return null
  return 'is divided among the workers, and less than limits.outputBytes for each of them (raise it, or have fewer workers)'
}

function loop({ listen, upstream }: Settings): string | null {
  const own = listen.find(({ address }) => upstream.url?.endpoints.some((endpoint) => reaches(endpoint, address)))
  if (own === undefined) return null
  return `leads back to respool itself, which listens on ${describeAddress(own.address)} (give the address of Redis, or listen elsewhere)`
}

function oneForMany({ listen, upstream }: Settings): string | null {
  if (upstream.url?.kind !== 'cluster' || listen.every(({ pooling }) => pooling === 'command')) return null
  return 'cannot have pooling: session with a cluster, since one connection does not lead to all of its nodes (leave pooling out)'
}

function noReplicas({ listen, upstream }: Settings): string | null {
  if (
    upstream.url?.kind !== 'standalone' ||
    !listen.some(({ role, reads }) => role === 'replica' || reads === 'replica')
  )
    return null
  return 'cannot read from replicas of one Redis, which are not known (leave role and reads out, or give a cluster or sentinels)'
}

function readsElsewhere({ listen }: Settings): string | null {
  for (const { role, reads, pooling } of listen) {
    if (role === 'replica' && (reads === 'primary' || reads === 'prefer-replica'))
      return `cannot have role: replica with reads: ${reads}, since a replica listener never leads to a primary (leave reads out)`
    if (reads !== 'primary' && pooling === 'session')
      return 'cannot have pooling: session with reads from replicas, since one connection does not lead to several servers (leave pooling out)'
  }
  return null
}

function sharedListener({ listen }: Settings): string | null {
  const second = listen.find(({ address }, index) =>
    listen.slice(0, index).some((other) => clash(address, other.address)),
  )
  return second === undefined ? null : `has ${describeAddress(second.address)} twice or within another (remove one)`
}

function adminOnListener({ admin, listen }: Settings): string | null {
  if (admin === null || !listen.some(({ address }) => clash(admin, address))) return null
  return `has ${describeAddress(admin)}, where applications connect (use another port)`
}

function clash(a: Address, b: Address): boolean {
  return reaches(a, b) || reaches(b, a)
}
