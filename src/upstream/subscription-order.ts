import { MINUS } from '../resp/bytes.js'
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
  /** Another server has to carry it out, by this order. */
  moved?(order: Order): void
}

export type Action = 'subscribe' | 'unsubscribe' | 'renew'

export interface OrderOwner {
  confirmed(order: Order): void
  refused(order: Order, frame: string): void
  dropped(order: Order, loss: Loss): void
  /** The command has been refused, so that the answer to what closes it is still to come. */
  answersTwice(order: Order): void
  /** The listener has gone, from whatever of the names it has here, and waits no more for the orders that it gave here. */
  leave(listener: Listener, names: Readonly<Record<Kind, Iterable<string>>>, ...orders: (Order | null)[]): void
}

/** What Redis answers in any state and to any user, and never with an error. */
const CLOSING = command('HELLO')

/**
 * One command on the subscription connection. Redis answers with a push frame for each name, the last of which counts as the
 * reply, or with one error.
 *
 * A node of a cluster that loses a slot says unasked that its channels are unsubscribed from, in the words that also confirm it. So the
 * confirmation of a shard channel's end proves nothing there: the order is closed by a second command, whose answer is the reply. An
 * error can only be that of the first; then the second answer follows.
 */
export class Order implements Pending {
  lost = false
  /** True once nobody waits for it. */
  abandoned = false
  /** The topics that it names to Redis. */
  named: readonly Topic[] = []
  #confirmations = 0
  #closed = false

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
  frame(word: string, named: readonly Topic[], closed = false): string {
    this.lost = false
    this.named = named
    this.#closed = closed && named.length > 0
    this.#confirmations = closed ? 0 : named.length
    if (named.length === 0) return command('PING')
    const text = command(word, ...named.map(({ name }) => name))
    return closed ? text + CLOSING : text
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
    const refused = this.#isRefused(buf, start)
    if (refused) this.owner.answersTwice(this)
    if (refused || this.confirming) this.owner.refused(this, buf.toString('latin1', start, end))
    else this.owner.confirmed(this)
  }

  late(buf: Buffer, start: number): void {
    if (this.#isRefused(buf, start)) this.owner.answersTwice(this)
  }

  lose(loss: Loss): void {
    this.lost = true
    this.owner.dropped(this, loss)
  }

  #isRefused(buf: Buffer, start: number): boolean {
    return this.#closed && buf[start] === MINUS
  }
}
