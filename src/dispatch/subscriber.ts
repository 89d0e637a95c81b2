import { bulk, integer, nullReply, type Protocol } from '../resp/encode.js'
import type { Carriers } from '../routing/carriers.js'
import { matchesGlob } from '../util/glob.js'
import { type Kind, KINDS, type Message } from '../upstream/message.js'
import type { Order, OrderOwner, Wish } from '../upstream/subscription-order.js'
import type { Listener } from '../upstream/topics.js'
import type { Keeping } from './downstream.js'

/** What a subscriber needs of its session. */
export interface SubscriberOwner {
  readonly protocol: Protocol
  readonly downstream: { readonly keeping: Keeping }
  /** Passes bytes on that nobody changes any more. */
  deliver(part: string | Buffer): void
  /** Ends the connection. */
  evict(): void
}

/** What a subscription takes besides its name, bytes. */
const OVERHEAD = 256

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
  /** What its names take, and those that it asks for. */
  #bytes = 0
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

  /** Makes room for names that are to be subscribed to; false if there is none. */
  reserve(names: readonly string[]): boolean {
    const bytes = sizeOf(names)
    if (this.#keep(bytes)) return true
    this.#keep(-bytes)
    return false
  }

  /** There must be room for the names. */
  subscribe(kind: Kind, word: string, names: readonly string[], deadline: number, answer: Answer): void {
    const carrier = this.carriers.of(kind, names[0])
    this.#give(
      (wish) => carrier.subscribe(wish),
      { kind, word, names, deadline },
      (refusal) => {
        if (refusal === null) return answer(names.map((name) => this.#added(kind, name)).join(''), false)
        this.#keep(-sizeOf(names))
        answer(refusal, true)
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
          for (const name of gone) this.#delete(kind, name)
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
    this.#keep(-this.#bytes)
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
    if (this.names[kind].has(name)) this.#keep(-sizeOf([name]))
    this.names[kind].add(name)
    return this.#confirmation(WORDS[kind][0], bulk(name), kind)
  }

  #removed(kind: Kind, names: readonly string[]): string {
    const word = WORDS[kind][1]
    if (names.length === 0) return this.#confirmation(word, nullReply(this.owner.protocol), kind)
    const remove = (name: string) => {
      this.#delete(kind, name)
      return this.#confirmation(word, bulk(name), kind)
    }
    return names.map(remove).join('')
  }

  #delete(kind: Kind, name: string): void {
    if (this.names[kind].delete(name)) this.#keep(-sizeOf([name]))
  }

  #keep(bytes: number): boolean {
    this.#bytes += bytes
    return this.owner.downstream.keeping.keeps(bytes)
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

const sizeOf = (names: readonly string[]): number => names.reduce((sum, name) => sum + name.length + OVERHEAD, 0)
