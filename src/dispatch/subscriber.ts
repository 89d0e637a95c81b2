import { bulk, integer, nullReply, type Protocol } from '../resp/encode.js'
import type { Carriers } from '../routing/carriers.js'
import { matchesGlob } from '../util/glob.js'
import { type Kind, KINDS, type Message } from '../upstream/message.js'
import type { Order, OrderOwner, Wish } from '../upstream/subscription-order.js'
import type { Listener } from '../upstream/topics.js'

/** What a subscriber needs of its session. */
export interface SubscriberOwner {
  readonly protocol: Protocol
  /** Passes bytes on that nobody changes any more. */
  deliver(part: string | Buffer): void
  /** Ends the connection. */
  evict(): void
}

/** What came of a command, as frames for the application. */
export interface Answer {
  (frames: string, failed: boolean): void
}

/** The first word of confirmations, and the name of the command that they confirm. */
export const WORDS: Readonly<Record<Kind, readonly [subscribe: string, unsubscribe: string]>> = {
  channel: ['subscribe', 'unsubscribe'],
  pattern: ['psubscribe', 'punsubscribe'],
  shard: ['ssubscribe', 'sunsubscribe'],
}

/**
 * What one session is subscribed to, at however many servers. Confirmations bear its own counts, as if it had one connection to one
 * server to itself.
 */
export class Subscriber implements Listener {
  readonly names: Readonly<Record<Kind, Set<string>>> = { channel: new Set(), pattern: new Set(), shard: new Set() }
  /** What it waits for: one order, or those that unsubscribe at several servers. */
  readonly #orders = new Set<Order>()

  constructor(
    readonly owner: SubscriberOwner,
    readonly carriers: Carriers,
  ) {}

  get total(): number {
    return this.#count('channel') + this.names.shard.size
  }

  message(message: Message): void {
    this.owner.deliver(message.as(this.owner.protocol))
  }

  evicted(): void {
    this.owner.evict()
  }

  /** True if a message published there comes to this session. */
  hears(kind: Kind, channel: string): boolean {
    if (this.names[kind].has(channel)) return true
    if (kind === 'channel') for (const pattern of this.names.pattern) if (matchesGlob(pattern, channel)) return true
    return false
  }

  subscribe(kind: Kind, word: string, names: readonly string[], deadline: number, answer: Answer): void {
    const carrier = this.carriers.of(kind, names[0])
    this.#give(
      (wish) => carrier.subscribe(wish),
      { kind, word, names, deadline },
      (refusal) => {
        if (refusal === null) answer(names.map((name) => this.#added(kind, name)).join(''), false)
        else answer(refusal, true)
      },
    )
  }

  /** Of all of that kind if no names are given. */
  unsubscribe(kind: Kind, word: string, given: readonly string[], deadline: number, answer: Answer): void {
    const own = this.names[kind]
    const names = given.length > 0 ? given : [...own]
    const held = [...new Set(names)].filter((name) => own.has(name))
    if (held.length === 0) return answer(this.#removed(kind, names), false)
    const shares = this.carriers.shares(kind, held)
    const gone: string[] = []
    let refusal: string | null = null
    let missing = shares.length
    for (const share of shares) {
      this.#give(
        (wish) => share.carrier.unsubscribe(wish),
        { kind, word, names: share.names, deadline },
        (error) => {
          if (error === null) gone.push(...share.names)
          else refusal ??= error
          if (--missing > 0) return
          if (refusal === null) return answer(this.#removed(kind, names), false)
          for (const name of gone) own.delete(name)
          answer(refusal, true)
        },
      )
    }
  }

  /** Ends all subscriptions. False if Redis has to confirm that first: then `done` is called, when to try again. */
  leaveAll(deadline: number, done: () => void): boolean {
    let waiting = false
    const answer = (_frames: string, failed: boolean) => {
      if (failed) this.leave()
      if (waiting) done()
    }
    for (const kind of KINDS) {
      if (this.names[kind].size > 0) this.unsubscribe(kind, WORDS[kind][1].toUpperCase(), [], deadline, answer)
      waiting = this.#orders.size > 0
      if (waiting) return false
    }
    return true
  }

  /** Ends all subscriptions at once: there is nobody any more who could be told. */
  leave(): void {
    const orders = [...this.#orders]
    this.#orders.clear()
    const servers = new Set<OrderOwner>(orders.map(({ owner }) => owner))
    for (const kind of KINDS) for (const name of this.names[kind]) servers.add(this.carriers.of(kind, name))
    for (const server of servers) server.leave(this, this.names, ...orders.filter(({ owner }) => owner === server))
    for (const kind of KINDS) this.names[kind].clear()
  }

  /** @param done with the error frame if the wish was refused */
  #give(
    send: (wish: Wish) => Order,
    wish: Pick<Wish, 'kind' | 'word' | 'names' | 'deadline'>,
    done: (refusal: string | null) => void,
  ): void {
    let ended = false
    let order: Order | null = null
    const end = (refusal: string | null) => {
      ended = true
      if (order !== null) this.#orders.delete(order)
      done(refusal)
    }
    const given = (newest: Order) => {
      if (order !== null) this.#orders.delete(order)
      order = newest
      if (!ended) this.#orders.add(newest)
    }
    given(send({ ...wish, listener: this, confirmed: () => end(null), refused: end, moved: given }))
  }

  #added(kind: Kind, name: string): string {
    this.names[kind].add(name)
    return this.#confirmation(WORDS[kind][0], bulk(name), kind)
  }

  #removed(kind: Kind, names: readonly string[]): string {
    const word = WORDS[kind][1]
    if (names.length === 0) return this.#confirmation(word, nullReply(this.owner.protocol), kind)
    const remove = (name: string) => {
      this.names[kind].delete(name)
      return this.#confirmation(word, bulk(name), kind)
    }
    return names.map(remove).join('')
  }

  #confirmation(word: string, name: string, kind: Kind): string {
    return `${this.owner.protocol === 3 ? '>' : '*'}3\r\n${bulk(word)}${name}${integer(this.#count(kind))}`
  }

  /** Channels and patterns are counted together, shard channels apart. */
  #count(kind: Kind): number {
    const { channel, pattern, shard } = this.names
    return kind === 'shard' ? shard.size : channel.size + pattern.size
  }
}
