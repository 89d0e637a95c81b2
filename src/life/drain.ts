import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog } from '../util/log.js'

/** How often it is looked who can leave, ms. */
const LOOK = 20
/** So many leave at one look without further ado: fewer than that are no crowd wherever they go. */
const SMALL_PORTION = 32
/** For so long nobody must have been there for the applications to have gone, ms: some connect for each command. */
const GONE_AFTER = 200
/** Time for blocking calls to be ended by Redis, and for the last replies to be read, ms. */
const LAST_MOMENT = 500

/** A connection that is to end. */
export interface Leaver {
  /** Ends if that breaks nothing off, later (`soon`) also without ever having been idle; true if so. */
  leave(urgency: 'idle' | 'soon'): boolean
  /** Ends behind the replies that are there. */
  finish(): void
  destroy(reason: string): void
}

/** What is drained. */
export interface Drainable {
  readonly connections: ReadonlySet<Leaver>
  /** How many connections there have been. */
  readonly accepted: number
  /** Takes no new connections. */
  close(): void
  /** Has Redis end the blocking calls that connections wait for. */
  endBlocking(): void
  /** Nothing can be sent any more: whatever has not been answered, or waits, is answered with a definite error. */
  cut(): void
}

/** Times in ms. */
export interface DrainTimes {
  readonly notice: number
  readonly timeout: number
}

/**
 * How a process ends without an application that must see an error.
 *
 *     notice ────────────────────► leaving ──────────────────────────► cut ──────────────────► over
 *     accepts and serves on,       accepts no more; connections end     blocking calls are ended,
 *     until the applications       when they are idle, a portion at     what is not answered gets
 *     have gone                    a time; then also busy ones          a definite error
 *
 * Invariant: a command is answered, or was not executed, or its answer says that this is not known; and a connection that has
 * ended had all its answers on the way before.
 */
export class Drain {
  constructor(
    readonly subject: Drainable,
    readonly times: DrainTimes,
    readonly log: EventLog,
  ) {}

  async run(): Promise<void> {
    const { subject, times, log } = this
    log.event('info', 'draining', { ...times, connections: subject.connections.size })
    await this.#notice()
    subject.close()
    log.event('info', 'accepts_no_more', { connections: subject.connections.size })
    await this.#leaving()
    if (subject.connections.size > 0) await this.#cut()
    for (const connection of subject.connections) connection.destroy('shutdown')
  }

  async #notice(): Promise<void> {
    const { subject } = this
    const end = performance.now() + this.times.notice
    let goneSince = performance.now()
    let { accepted } = subject
    while (performance.now() < end) {
      const now = performance.now()
      if (subject.connections.size > 0 || subject.accepted !== accepted) goneSince = now
      if (now - goneSince > GONE_AFTER) return
      accepted = subject.accepted
      await sleep(LOOK)
    }
  }

  /** In the first half of the time those leave who are idle. */
  async #leaving(): Promise<void> {
    const { connections } = this.subject
    const began = performance.now()
    const half = this.times.timeout / 2
    const portion = Math.max(SMALL_PORTION, Math.ceil((connections.size * LOOK) / half))
    for (;;) {
      const passed = performance.now() - began
      const urgency = passed < half ? 'idle' : 'soon'
      let left = 0
      for (const connection of connections) {
        if (left < portion && connection.leave(urgency)) left++
      }
      if (connections.size === 0 || passed >= this.times.timeout) return
      await sleep(LOOK)
    }
  }

  async #cut(): Promise<void> {
    const { subject, log } = this
    log.event('warn', 'drain_cut', { connections: subject.connections.size })
    subject.endBlocking()
    await this.#until(LAST_MOMENT, 'soon')
    subject.cut()
    // Whoever was held up has to find out first.
    await sleep(LOOK)
    for (const connection of subject.connections) connection.finish()
    await this.#until(LAST_MOMENT)
  }

  /** Until all have left, but no longer than so many ms. */
  async #until(most: number, urgency?: 'soon'): Promise<void> {
    const { connections } = this.subject
    const end = performance.now() + most
    while (connections.size > 0 && performance.now() < end) {
      if (urgency !== undefined) for (const connection of connections) connection.leave(urgency)
      await sleep(LOOK)
    }
  }
}
