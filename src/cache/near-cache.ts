import type { Config } from '../config/config.js'
import { mayWrite } from '../commands/reading.js'
import { isKeepable } from '../commands/keepable.js'
import type { CommandSpec } from '../commands/spec.js'
import type { Snapshot } from '../metrics/gauges.js'
import type { Recorder } from '../metrics/recorder.js'
import type { Protocol } from '../resp/encode.js'
import type { UpstreamContext } from '../upstream/connection.js'
import type { EventLog } from '../util/log.js'
import { type Reservation, Store } from './store.js'
import type { TrackerWorld } from './tracker.js'
import { type Servers, Trackers } from './trackers.js'

/** What a command is to the cache. */
export const Role = {
  unknown: 0,
  /** Neither of the others. */
  none: 1,
  /** Its reply may be kept, depending on its key. */
  read: 2,
  /** It may change keys. */
  write: 3,
  /** It carries out writes that were queued. */
  exec: 4,
} as const
type Role = (typeof Role)[keyof typeof Role]

/** They change what users may read. */
const PERMISSIONS = /^acl\|(setuser|deluser|load)$/

/** What the cache needs of the world. */
export interface NearWorld {
  readonly context: UpstreamContext
  readonly servers: Servers
  readonly log: EventLog
  readonly clientName: string
  /** Most ids that commands can have. */
  readonly capacity: number
}

/**
 * Keeps replies to reads of keys with certain prefixes, for as long as Redis does not say that a key has changed.
 *
 *     session ──► reader (its user) ──► store: [ space, command ] ──► reply
 *                                         ▲ voided
 *     Redis ──► tracker (one per primary) ┘      space = user, database, protocol
 *
 * Invariants: a reply is found by those only who would have got it from the same server, in the same database, as the same user and in the
 * same protocol. What came while its server did not tell changes is not kept, and when a server stops telling everything is dropped.
 * The longest time that any mistake, or whatever Redis does not tell, can last is `maxAge`; and nothing outlives its key's own time.
 */
export class NearCache {
  readonly store: Store
  /** ms */
  readonly maxAge: number
  readonly #trackers: Trackers
  readonly #tracking: TrackerWorld
  readonly #prefixes: readonly Buffer[]
  readonly #roles: Uint8Array
  #readers = 0

  constructor(
    config: Config,
    readonly world: NearWorld,
  ) {
    const { prefixes, maxAge, ...limits } = config.cache
    const { context, log, clientName, servers } = world
    const own = withoutCovered(prefixes.map((prefix) => Buffer.from(prefix, 'utf8').toString('latin1')))
    this.maxAge = maxAge
    this.store = new Store(limits, context.recorder.cacheDrops)
    this.#roles = new Uint8Array(world.capacity)
    this.#prefixes = own.map((prefix) => Buffer.from(prefix, 'latin1'))
    const settings = { upstream: config.upstream, pool: config.pool }
    const tracking = (this.#tracking = { settings, context, log, clientName, prefixes: own })
    this.#trackers = new Trackers(servers, tracking, {
      changed: (key) => this.store.void(key, 'redis'),
      flushed: () => this.store.voidAll('redis'),
      lost: () => this.store.voidAll('lost'),
    })
  }

  get recorder(): Recorder {
    return this.world.context.recorder
  }

  /** For sessions that are somebody else to Redis than all others. */
  another(): Reader {
    return new Reader(this, this.#readers++)
  }

  apply({ upstream, pool }: Config): void {
    this.#tracking.settings = { upstream, pool }
  }

  /** To be called every 50 to 100 ms. */
  sweep(now: number): void {
    this.settle()
    this.#trackers.sweep(now)
    this.store.sweep()
  }

  stop(): void {
    this.#trackers.stop()
  }

  figures(): Snapshot['cache'] {
    return { entries: this.store.size, bytes: this.store.bytes, servers: this.#trackers.states() }
  }

  /** Drops everything if commands may have to go elsewhere than before. */
  settle(): void {
    if (this.#trackers.follow()) this.store.voidAll('lost')
  }

  hears(server: string): boolean {
    return this.#trackers.hears(server)
  }

  roleOf(spec: CommandSpec): Role {
    const known = this.#roles[spec.id] as Role
    return known === Role.unknown ? (this.#roles[spec.id] = roleOf(spec)) : known
  }

  /** True if replies about a key may be kept: the bytes of the buffer from `start` on. */
  concerns(buf: Buffer, start: number, length: number): boolean {
    for (const prefix of this.#prefixes) if (beginsWith(buf, start, length, prefix)) return true
    return false
  }

  /** The reply to a read that was sent at `sentAt` has come whole, and the key's time to live, ms; negative for none. */
  keep(reservation: Reservation, sentAt: number, ttl: number): void {
    const { reply } = reservation
    if (reply === null || ttl === 0) return this.store.release(reservation)
    this.store.keep(reservation, reply, sentAt + (ttl < 0 ? this.maxAge : Math.min(ttl, this.maxAge)))
  }
}

/** The part of the cache that sessions share who are the same to Redis. */
export class Reader {
  /** What the commands of a space begin with, by the space. */
  readonly #tags = new Map<number, string>()

  constructor(
    readonly cache: NearCache,
    readonly id: number,
  ) {}

  /** The name of a command in the space where it is asked. */
  variant(text: string, protocol: Protocol, database: number): string {
    const space = database * 4 + protocol
    let tag = this.#tags.get(space)
    if (tag === undefined) this.#tags.set(space, (tag = `${this.id} ${database} ${protocol} `))
    return tag + text
  }
}

function roleOf(spec: CommandSpec): Role {
  if (isKeepable(spec)) return Role.read
  if (spec.name === 'exec') return Role.exec
  // What a transaction does comes after it.
  if (spec.name === 'multi') return Role.none
  return mayWrite(spec) || PERMISSIONS.test(spec.name) ? Role.write : Role.none
}

function beginsWith(buf: Buffer, start: number, length: number, prefix: Buffer): boolean {
  if (prefix.length > length) return false
  for (let i = 0; i < prefix.length; i++) if (buf[start + i] !== prefix[i]) return false
  return true
}

/** Redis refuses prefixes of which one begins another. */
function withoutCovered(prefixes: readonly string[]): string[] {
  const all = [...new Set(prefixes)]
  return all.filter((prefix) => !all.some((other) => other !== prefix && prefix.startsWith(other)))
}
