import type { ListenerLimits } from '../config/config.js'
import type { TurnClock } from '../util/clock.js'

/** A session, as far as it can be made to wait. */
export interface Paced {
  readonly held: string | null
  unhold(): void
}

/** So many seconds' worth of commands may come at once. */
const BURST = 1

/**
 * What the applications of one listener may use together.
 *
 *     commands of one read ──► bucket, filled at `commandsPerSecond` ──► below zero: the session waits, with what it sends next
 *                                                                       at zero: all that wait go on
 *
 * Nobody is told an error: reading stops, and the application feels the back-pressure. A read is taken in whole, so that the bucket can be deep in
 * debt, which is paid off before anybody of the listener takes another command.
 */
export class Allowance {
  connections = 0
  /** Unread reply bytes. */
  bytes = 0
  #limits: ListenerLimits
  /** What is in the bucket. */
  #commands: number
  /** When it was filled last, ms on the monotonic clock. */
  #filledAt: number
  readonly #waiting = new Set<Paced>()
  #timer: NodeJS.Timeout | null = null

  constructor(
    limits: ListenerLimits,
    readonly clock: TurnClock,
  ) {
    this.#limits = limits
    this.#commands = limits.commandsPerSecond * BURST
    this.#filledAt = clock.now
  }

  apply(limits: ListenerLimits): void {
    this.#limits = limits
    this.#commands = limits.commandsPerSecond * BURST
    this.#release()
  }

  /** Why no connection is let in: the limit; null if one is. */
  get full(): number | null {
    const { connections } = this.#limits
    return connections > 0 && this.connections >= connections ? connections : null
  }

  /** True if there is no more room for unread replies. */
  get scarce(): boolean {
    return !this.hasRoom(0)
  }

  /** True if so many more bytes could go unread. */
  hasRoom(bytes: number): boolean {
    const { bufferedBytes } = this.#limits
    return bufferedBytes === 0 || this.bytes + bytes <= bufferedBytes
  }

  /** Takes note of commands that have been taken in; false if their session should take no more before it is released. */
  spend(commands: number): boolean {
    if (this.#limits.commandsPerSecond === 0) return true
    this.#fill(this.clock.now)
    this.#commands -= commands
    return this.#commands >= 0
  }

  /** Releases a session, which is held, when the debt is paid off. */
  wait(session: Paced): void {
    this.#waiting.add(session)
    this.#timer ??= this.#whenPaid()
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** The session has gone. */
  forget(session: Paced): void {
    this.#waiting.delete(session)
  }

  #whenPaid(): NodeJS.Timeout {
    const time = Math.ceil((-this.#commands / this.#limits.commandsPerSecond) * 1000)
    return setTimeout(() => this.#collect(), time).unref()
  }

  /** Others may have run up more debt meanwhile. */
  #collect(): void {
    this.#fill(this.clock.tick())
    if (this.#commands < 0) this.#timer = this.#whenPaid()
    else this.#release()
  }

  #fill(now: number): void {
    const { commandsPerSecond } = this.#limits
    const passed = (now - this.#filledAt) / 1000
    this.#filledAt = now
    this.#commands = Math.min(commandsPerSecond * BURST, this.#commands + passed * commandsPerSecond)
  }

  #release(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const session of waiting) if (session.held === 'paced') session.unhold()
  }
}
