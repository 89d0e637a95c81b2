import { command } from '../resp/encode.js'
import type { Kind } from './message.js'
import type { Loss, Pending } from './pending.js'
import type { Listener, Topic } from './topics.js'

/** What somebody wants to subscribe to, or unsubscribe from. Exactly one of the two calls comes, unless the listener leaves. */
export interface Wish {
  readonly listener: Listener
  readonly kind: Kind
  /** latin1, one character a byte. */
  readonly names: readonly string[]
  /** The word for the command: a server can have renamed it. */
  readonly word: string
  /** When the answer must have come, ms on the monotonic clock. */
  readonly deadline: number
  confirmed(): void
  /** With the error frame to answer. */
  refused(frame: string): void
}

export type Action = 'subscribe' | 'unsubscribe' | 'renew'

export interface OrderOwner {
  confirmed(order: Order): void
  refused(order: Order, frame: string): void
  dropped(order: Order, loss: Loss): void
}

/**
 * One command on the subscription connection. Redis answers with a push frame for each name, the last of which counts as the
 * reply, or with one error.
 */
export class Order implements Pending {
  lost = false
  /** True once nobody waits for it. */
  abandoned = false
  /** The topics that it names to Redis. */
  named: readonly Topic[] = []
  #confirmations = 0

  constructor(
    readonly owner: OrderOwner,
    readonly action: Action,
    readonly topics: readonly Topic[],
    readonly since: number,
    readonly deadline: number,
    /** Null for an order of respool's own. */
    readonly wish: Wish | null,
  ) {}

  /** The frame to send. Without names it only shows that Redis has done everything before. */
  frame(word: string, named: readonly Topic[]): string {
    this.lost = false
    this.named = named
    this.#confirmations = named.length
    return named.length === 0 ? command('PING') : command(word, ...named.map(({ name }) => name))
  }

  /** True while confirmations are to come. */
  get confirming(): boolean {
    return this.#confirmations > 0
  }

  /** Takes note of a confirmation; true if it was the last one. */
  confirm(): boolean {
    return --this.#confirmations === 0
  }

  reply(buf: Buffer, start: number, end: number): void {
    if (this.confirming) this.owner.refused(this, buf.toString('latin1', start, end))
    else this.owner.confirmed(this)
  }

  lose(loss: Loss): void {
    this.lost = true
    this.owner.dropped(this, loss)
  }
}
