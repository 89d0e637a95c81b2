import type { Route } from '../dispatch/route.js'
import type { Keeping } from '../dispatch/downstream.js'
import type { Session } from '../dispatch/session.js'
import type { UpstreamConnection } from '../upstream/connection.js'

export interface UnreadLimits {
  /** Unread reply bytes of one connection at which no more of its commands are taken. */
  outputBytes: number
  /** Unread bytes at which a session with subscriptions is disconnected. */
  subscriberBytes: number
  /** The same as `outputBytes` for all connections together. */
  bufferedBytes: number
  /** How long replies may go unread altogether, ms. */
  stallTimeout: number
}

/** Unread replies of so many times the allowance stop the upstream connection that they come from. */
const HARD_FACTOR = 8
/** How long a connection that does not read may hold up others that way, ms. */
const STALL_WITH_NEIGHBOURS = 1000
/** Takes the place of the allowance while all connections together, or those of one listener, are over their limit. */
const SCARCE = 16 * 1024

/**
 * The replies that one application has not read yet, and what follows from their size.
 *
 *     0 ──────────── allowance ─────────────────── 8 × allowance ──────────────►
 *     commands are taken │ no more commands are taken │ its upstream connection stops too
 *
 * The allowance is `outputBytes` for whoever reads. It doubles for a connection that reads nothing and has sent more commands, as
 * long as there is room: that may be an application which writes its whole pipeline before it reads the first reply, and
 * would wait for ever.
 *
 * Replies that wait for those of other servers in front of them count too, but say nothing of the application: they stop connections, all but the
 * one that they wait for, only once there are too many bytes of all.
 */
export class Unread implements Keeping {
  bytes = 0
  /** Those of replies that wait for others in front of them. */
  #waiting = 0
  /** Those of what is being put together, which only count towards the total. */
  #kept = 0
  /** True while no more commands are taken. */
  choked = false
  #allowance: number
  /** The upstream connections that stand still because of this, and the ways to them. */
  readonly #stalled: { readonly route: Route; readonly connection: UpstreamConnection }[] = []
  /** Since when that is so because of replies that wait, ms. */
  #stalledAt = Infinity
  #progressAt: number
  #leftBefore = 0

  constructor(
    readonly session: Session,
    readonly limits: UnreadLimits,
    /** The unread bytes of all connections. */
    readonly total: { bytes: number },
    /** Those of its listener, if that has a limit of its own. */
    readonly own: { bytes: number; readonly scarce: boolean; hasRoom(bytes: number): boolean } | null = null,
  ) {
    this.#allowance = limits.outputBytes
    this.#progressAt = session.since
  }

  /** Takes note of how many bytes are unread now, besides those that wait; true if no more commands may be taken. */
  update(unread: number): boolean {
    const bytes = unread + this.#waiting
    this.total.bytes += bytes - this.bytes
    if (this.own !== null) this.own.bytes += bytes - this.bytes
    this.bytes = bytes
    // Whoever hears messages is not held back, which would not lessen them, and is disconnected in the end.
    if (this.session.subscribed) return this.choked
    const limit = this.#limit
    if (bytes > limit) this.choked = true
    if (unread > limit * HARD_FACTOR) this.#stall(null)
    else if (bytes > limit * HARD_FACTOR && this.#scarce) this.#stall(this.session.ring.peek()?.route ?? null)
    return this.choked
  }

  waits(bytes: number): void {
    if (this.session.closed) return
    const unread = this.bytes - this.#waiting
    this.#waiting += bytes
    this.update(unread)
  }

  keeps(bytes: number): boolean {
    if (this.session.closed) return true
    this.#keep(bytes)
    return this.total.bytes <= this.limits.bufferedBytes
  }

  #keep(bytes: number): void {
    this.#kept += bytes
    this.total.bytes += bytes
    if (this.own !== null) this.own.bytes += bytes
  }

  /** Everything has been read; true if commands can be taken again. */
  drained(): boolean {
    this.update(0)
    this.#allowance = this.limits.outputBytes
    if (this.bytes > this.#limit) return false
    return this.#release()
  }

  /**
   * Called several times a second, with the bytes that the kernel has not taken, which show progress earlier, and whether commands
   * are waiting. True if these can be taken although replies are unread.
   */
  sweep(now: number, unsent: number, hungry: boolean): boolean {
    const left = this.bytes - this.#waiting + unsent
    if (left === 0 || left !== this.#leftBefore) {
      this.#progressAt = now
      this.#leftBefore = left
      return false
    }
    if (!this.choked || !hungry || !this.#hasRoom()) return false
    while (this.#allowance < this.bytes) this.#allowance *= 2
    this.#allowance *= 2
    return this.#release()
  }

  /** True for a session that leaves too many messages unread: more than others get, once there are too many of all. */
  get tooMuch(): boolean {
    const { subscriberBytes, outputBytes } = this.limits
    const limit = this.#scarce ? Math.min(outputBytes, subscriberBytes) : subscriberBytes
    return this.session.subscribed && this.bytes > limit
  }

  /** True if it has been in the way for too long. */
  isStuck(now: number): boolean {
    const silence = now - this.#progressAt
    const inTheWay = Math.max(silence, now - this.#stalledAt) > STALL_WITH_NEIGHBOURS && this.#hindersOthers()
    return silence > this.limits.stallTimeout || inTheWay
  }

  close(): void {
    this.#waiting = 0
    this.#keep(-this.#kept)
    this.update(0)
    this.#release()
  }

  get #limit(): number {
    return this.#scarce ? SCARCE : this.#allowance
  }

  /** True while all connections together, or those of its listener, are over their limit. */
  get #scarce(): boolean {
    return this.total.bytes > this.limits.bufferedBytes || this.own?.scarce === true
  }

  /** True if it could leave twice as much unread. */
  #hasRoom(): boolean {
    return this.total.bytes + this.bytes < this.limits.bufferedBytes && this.own?.hasRoom(this.bytes) !== false
  }

  /** @param spared the way on which the next reply comes, if that is waited for */
  #stall(spared: Route | null): void {
    for (const route of this.session.ways.all) {
      const { connection } = route
      if (route === spared || connection === null || connection.paused) continue
      if (spared !== null) this.#stalledAt = Math.min(this.#stalledAt, this.session.context.clock.now)
      this.#stalled.push({ route, connection })
      connection.pause()
    }
  }

  /** Lets everything go on; true if it had stopped. */
  #release(): boolean {
    for (const { connection } of this.#stalled.splice(0)) connection.resume()
    this.#stalledAt = Infinity
    const choked = this.choked
    this.choked = false
    return choked
  }

  /** True if other sessions wait for replies on a connection that stands still. */
  #hindersOthers(): boolean {
    const { lease } = this.session
    return this.#stalled.some(
      ({ route, connection }) => connection !== lease && connection.inflight.length > route.inflight,
    )
  }
}
