import type { ErrorCode } from '../errors.js'
import { Ring } from '../util/ring.js'
import type { UpstreamConnection } from './connection.js'

/** Somebody who waits for a connection. Exactly one of the two calls comes, unless waiting was cancelled. */
export interface Waiter {
  /** When waiting ends, ms on the monotonic clock. */
  readonly deadline: number
  /** The queue that it is in: kept by that queue, null to begin with. */
  queue: WaitQueue | null
  /** A connection is there: for a shared one `null`, pick it; for a lease the connection itself. */
  granted(lease: UpstreamConnection | null): void
  refused(code: ErrorCode): void
}

/** Cancelled waiters that may stand in a queue besides as many as wait. */
const SPARE = 64

/** Of no effect on one that does not wait, or no longer. */
export function cancelWait(waiter: Waiter): void {
  waiter.queue?.left(waiter)
}

/** The first-come queue of waiters. Cancelled ones leave when they come to the head, or when there are more of them than of others. */
export class WaitQueue {
  #ring = new Ring<Waiter>()
  #live = 0

  /** Waiters that still wait. */
  get length(): number {
    return this.#live
  }

  /** Those and who has cancelled, as far as they are still kept. */
  get size(): number {
    return this.#ring.length
  }

  /** The deadline of the one who has waited longest; Infinity if nobody waits. */
  get oldest(): number {
    for (let head = this.#ring.peek(); head !== undefined; head = this.#ring.peek()) {
      if (head.queue === this) return head.deadline
      this.#ring.shift()
    }
    return Infinity
  }

  push(waiter: Waiter): void {
    waiter.queue = this
    if (this.#ring.length > 2 * this.#live + SPARE) this.#compact()
    this.#ring.push(waiter)
    this.#live++
  }

  shift(): Waiter | undefined {
    for (;;) {
      const waiter = this.#ring.shift()
      if (waiter === undefined) return undefined
      if (waiter.queue !== this) continue
      this.left(waiter)
      return waiter
    }
  }

  /** Those who wait, who do so no more. */
  takeAll(): Waiter[] {
    const all: Waiter[] = []
    for (let waiter = this.shift(); waiter !== undefined; waiter = this.shift()) all.push(waiter)
    return all
  }

  refuseAll(code: ErrorCode): void {
    for (let waiter = this.shift(); waiter !== undefined; waiter = this.shift()) waiter.refused(code)
  }

  /** Refuses those whose time is over, who may stand anywhere: some have waited elsewhere before. */
  refuseExpired(now: number, code: ErrorCode): number {
    let refused = 0
    for (let i = 0; i < this.#ring.length; i++) {
      const waiter = this.#ring.at(i)!
      if (waiter.queue !== this || waiter.deadline > now) continue
      this.left(waiter)
      waiter.refused(code)
      refused++
    }
    return refused
  }

  #compact(): void {
    const all = this.#ring
    this.#ring = new Ring()
    for (let waiter = all.shift(); waiter !== undefined; waiter = all.shift()) {
      if (waiter.queue === this) this.#ring.push(waiter)
    }
  }

  left(waiter: Waiter): void {
    waiter.queue = null
    this.#live--
  }
}
