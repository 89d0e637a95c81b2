import type { PinReason } from '../metrics/recorder.js'
import type { ErrorCode } from '../errors.js'
import { command } from '../resp/encode.js'
import { type Waiter, WaitQueue } from './wait-queue.js'

/**
 * What a lease is wanted for, in the order in which those who wait are served. A `brief` one comes back after some commands, as
 * with WATCH; a `lasting` one is held as long as its holder likes; a `blocking` one until data comes.
 */
export const USES = ['brief', 'lasting', 'blocking'] as const
export type Use = (typeof USES)[number]

/** What leases are wanted for is decided by why. */
export const USE: Record<PinReason, Use> = {
  watch: 'brief',
  multi: 'brief',
  large: 'brief',
  blocking: 'blocking',
  subscribe: 'lasting',
  tracking: 'lasting',
  monitor: 'lasting',
  session: 'lasting',
}

/** What a session leaves on a lease that it gives back. */
export type Leftover = 'nothing' | 'watch' | 'transaction' | 'anything' | 'unknown'

/**
 * The command that takes it off again; it goes behind whatever is still in flight, so its answer comes when nothing is owed any more.
 *
 * - anything: replies are owed, or Redis answered otherwise than expected; RESET (https://redis.io/docs/latest/commands/reset/) undoes
 *   all, login included
 * - unknown: not even RESET would be understood, or answered soon
 */
export const UNDO: Record<Leftover, string | null> = {
  nothing: '',
  watch: command('UNWATCH'),
  transaction: command('DISCARD'),
  anything: command('RESET'),
  unknown: null,
}

/** Those who wait for a lease of one lane. */
export class LeaseQueue {
  readonly #queues: Record<Use, WaitQueue> = {
    brief: new WaitQueue(),
    lasting: new WaitQueue(),
    blocking: new WaitQueue(),
  }

  get length(): number {
    return USES.reduce((sum, use) => sum + this.#queues[use].length, 0)
  }

  push(waiter: Waiter, use: Use): void {
    this.#queues[use].push(waiter)
  }

  /** How many of them want it for one of the uses. */
  count(uses: readonly Use[]): number {
    return uses.reduce((sum, use) => sum + this.#queues[use].length, 0)
  }

  /** The deadline of the one of them who has waited longest; Infinity if nobody waits. */
  oldest(uses: readonly Use[]): number {
    return uses.reduce((oldest, use) => Math.min(oldest, this.#queues[use].oldest), Infinity)
  }

  /** Takes the next one whose use is among these. */
  shift(uses: readonly Use[]): { waiter: Waiter; use: Use } | null {
    for (const use of uses) {
      const waiter = this.#queues[use].shift()
      if (waiter !== undefined) return { waiter, use }
    }
    return null
  }

  /** Those who wait, who do so no more. */
  takeAll(): Waiter[] {
    return USES.flatMap((use) => this.#queues[use].takeAll())
  }

  refuseAll(code: ErrorCode): void {
    for (const use of USES) this.#queues[use].refuseAll(code)
  }

  refuseExpired(now: number, code: ErrorCode): number {
    return USES.reduce((sum, use) => sum + this.#queues[use].refuseExpired(now, code), 0)
  }
}
