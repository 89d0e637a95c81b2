import { bulk, integer, nullReply, type Protocol } from '../resp/encode.js'
import { matchesGlob } from '../util/glob.js'
import { type Kind, KINDS, type Message } from '../upstream/message.js'
import type { Order, Wish } from '../upstream/subscription-order.js'
import type { Subscriptions } from '../upstream/subscriptions.js'
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

/** What one session is subscribed to. Confirmations bear its own counts, as if it had the connection to itself. */
export class Subscriber implements Listener {
  readonly names: Readonly<Record<Kind, Set<string>>> = { channel: new Set(), pattern: new Set(), shard: new Set() }
  /** What it waits for. */
  #order: Order | null = null

  constructor(
    readonly owner: SubscriberOwner,
    readonly hub: Subscriptions,
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
    const confirmations = () => names.map((name) => this.#added(kind, name)).join('')
    this.#give((wish) => this.hub.subscribe(wish), { kind, word, names, deadline }, confirmations, answer)
  }

  /** Of all of that kind if no names are given. */
  unsubscribe(kind: Kind, word: string, given: readonly string[], deadline: number, answer: Answer): void {
    const own = this.names[kind]
    const names = given.length > 0 ? given : [...own]
    const held = [...new Set(names)].filter((name) => own.has(name))
    const confirmations = () => this.#removed(kind, names)
    if (held.length === 0) return answer(confirmations(), false)
    this.#give((wish) => this.hub.unsubscribe(wish), { kind, word, names: held, deadline }, confirmations, answer)
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
      waiting = this.#order !== null
      if (waiting) return false
    }
    return true
  }

  /** Ends all subscriptions at once: there is nobody any more who could be told. */
  leave(): void {
    this.hub.leave(this, this.names, this.#order)
    this.#order = null
    for (const kind of KINDS) this.names[kind].clear()
  }

  #give(
    send: (wish: Wish) => Order,
    wish: Pick<Wish, 'kind' | 'word' | 'names' | 'deadline'>,
    confirmations: () => string,
    answer: Answer,
  ): void {
    let ended = false
    const end = () => {
      ended = true
      this.#order = null
    }
    const order = send({
      ...wish,
      listener: this,
      confirmed: () => {
        end()
        answer(confirmations(), false)
      },
      refused: (frame) => {
        end()
        answer(frame, true)
      },
    })
    if (!ended) this.#order = order
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
