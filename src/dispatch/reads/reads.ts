import { hasCursor, isRead, mayWrite } from '../../commands/reading.js'
import { type CommandSpec, Flag } from '../../commands/spec.js'
import type { Reading } from '../../config/config.js'
import { chooseReader } from '../../routing/choice.js'
import type { Topology } from '../../routing/topology.js'
import type { Endpoint } from '../../upstream/endpoint.js'
import type { TurnClock } from '../../util/clock.js'
import { RecentWrites } from './recent.js'

/** In place of a slot: a command that concerns all of them. */
const EVERYWHERE = -1

/** What reads need of their session's context. */
export interface ReadContext {
  readonly topology: Topology
  readonly clock: TurnClock
}

/**
 * Which servers one session reads from; there is none of it for a session that only knows primaries.
 *
 *     read ──► written lately, or a write is on its way? ──► primary
 *                └── no ──► the server that the listener's preference and the session's seat lead to
 *
 * On a replica listener all commands go to replicas, and Redis itself answers as one: only messages go the way of all others.
 * Invariant: no command that may write is sent to a replica, nor to a primary from a replica listener.
 */
export class Reads {
  readonly #recent: RecentWrites
  /** Commands in flight that may write. */
  #writing = 0

  /** @param seat decides among equal replicas */
  constructor(
    readonly how: Reading,
    readonly context: ReadContext,
    readonly seat: number,
  ) {
    this.#recent = new RecentWrites(how.readYourWrites)
  }

  /** True if to the application this is a replica. */
  get onReplica(): boolean {
    return this.how.role === 'replica'
  }

  /** It was in another process: whatever it has written there may have been written just now. */
  arrived(): void {
    this.#recent.note(EVERYWHERE, this.context.clock.now)
  }

  began(spec: CommandSpec): void {
    if (mayWrite(spec)) this.#writing++
  }

  ended(spec: CommandSpec, slot: number): void {
    if (!mayWrite(spec)) return
    this.#writing--
    this.#recent.note(slot, this.context.clock.now)
  }

  /** True if a replica may not have yet what the session has written there. */
  wroteIn(slot: number): boolean {
    if (this.how.readYourWrites === 0) return false
    return this.#writing > 0 || this.#recent.concern(slot, this.context.clock.now)
  }

  /** True if a command is for a replica, or may be. */
  leadsToReplica(spec: CommandSpec, slot: number): boolean {
    // Messages reach the subscribers of all servers from the primary only.
    if (this.onReplica) return (spec.flags & Flag.pubsub) === 0
    return isRead(spec) && !this.wroteIn(spec.spread?.to === 'primaries' ? EVERYWHERE : slot)
  }

  /** True if a transaction holds a command that a replica would send away rather than refuse. */
  refusesRun(run: readonly { readonly spec: CommandSpec }[]): boolean {
    return this.onReplica && run.some(({ spec }) => (spec.flags & Flag.write) !== 0)
  }

  /** The server for such a command; null if none will do. */
  choose(spec: CommandSpec, slot: number): Endpoint | null {
    const { topology, clock } = this.context
    const primary = this.onReplica ? null : this.primary(slot)
    const found = chooseReader(this.how.reads, primary, topology.replicasOf(slot), this.#seatFor(spec), clock.now)
    // As long as no replicas are known of one waits there for news.
    return found ?? (topology.version === 0 ? topology.home : null)
  }

  /** The same for a command that has been sent before, to `from`, but was not carried out. */
  chooseAgain(spec: CommandSpec, slot: number, from: Endpoint): Endpoint | null {
    return from.role === 'replica' && this.isBound ? this.choose(spec, slot) : this.primary(slot)
  }

  /** True if what cannot be read from one replica must be read from another. */
  get isBound(): boolean {
    return this.onReplica || this.how.reads === 'replica'
  }

  primary(slot: number): Endpoint | null {
    const { topology } = this.context
    return slot < 0 ? topology.home : topology.primaryOf(slot)
  }

  /** What goes on in several commands finds the same server from all sessions. */
  #seatFor(spec: CommandSpec): number {
    if (hasCursor(spec)) return 0
    const anew = this.how.reads === 'random' && isRead(spec)
    return anew ? Math.floor(Math.random() * 2 ** 16) : this.seat
  }
}
