import { ERROR_FRAMES, type ErrorCode } from '../errors.js'
import { ReplyFault } from '../resp/reply-scanner.js'
import { firstText, type Kind, KINDS, Message, messageKind } from './message.js'
import type { Loss } from './pending.js'
import { type LinkOwner, type LinkUser, SubscriptionLink } from './subscription-link.js'
import { Order, type OrderOwner, type Wish } from './subscription-order.js'
import { type Listener, type Topic, Topics } from './topics.js'

/** What subscriptions need of their endpoint. */
export interface SubscriptionsOwner extends LinkOwner {
  /** Why nothing can be sent now, or null if waiting makes sense. */
  readonly outage: ErrorCode | null
}

/** Topics that are subscribed to again in one command. */
const CHUNK = 1000
/** How long the connection stays open after nothing is subscribed to any more, ms. */
const LINGER = 5000

const UNSUBSCRIBE: Readonly<Record<Kind, string>> = {
  channel: 'UNSUBSCRIBE',
  pattern: 'PUNSUBSCRIBE',
  shard: 'SUNSUBSCRIBE',
}

/**
 * Everybody's subscriptions at one Redis, on one connection.
 *
 *     wish ──► order ──► link ──► Redis          topics:  a  ─► { listener, listener }
 *                ▲ waits while there is no link           n* ─► { listener }
 *     link ──► confirmation ──► the order at the head of its ring
 *          └─► message ───────► every listener of the topic
 *
 * Each wish is an order to Redis, even one for a topic that is subscribed to already: the confirmation comes in the stream of messages
 * and tells from which one on the listener hears the topic, or up to which. So nobody hears anything from before its subscription,
 * and misses nothing after it.
 * With the connection messages are lost and nothing else: the next one begins by subscribing to every topic that has listeners.
 */
export class Subscriptions implements LinkUser, OrderOwner {
  readonly link: SubscriptionLink
  readonly topics = new Topics()
  /** The words that subscribe, as applications said them last. */
  readonly #words: Record<Kind, string> = { channel: 'SUBSCRIBE', pattern: 'PSUBSCRIBE', shard: 'SSUBSCRIBE' }
  #waiting: Order[] = []
  #neededAt = 0

  constructor(readonly endpoint: SubscriptionsOwner) {
    this.link = new SubscriptionLink(endpoint, this)
  }

  subscribe(wish: Wish): Order {
    const order = this.#order('subscribe', this.topics.of(wish.kind, wish.names), wish)
    for (const topic of order.topics) this.topics.addRef(topic)
    this.#submit(order)
    return order
  }

  /** The listener must be one of each name's. */
  unsubscribe(wish: Wish): Order {
    const order = this.#order('unsubscribe', this.topics.of(wish.kind, wish.names), wish)
    for (const topic of order.topics) this.topics.removeRef(topic)
    if (this.link.current === null) this.confirmed(order)
    else this.#sendUnsubscribe(order)
    return order
  }

  /** The listener has gone, from all of the names, and waits no more for the order that it gave last, if that is unanswered. */
  leave(listener: Listener, names: Readonly<Record<Kind, Iterable<string>>>, order: Order | null): void {
    const unsubscribing = new Set(order?.action === 'unsubscribe' ? order.topics : [])
    if (order !== null) this.#abandon(order)
    for (const kind of KINDS) {
      const topics = this.topics.of(kind, names[kind])
      for (const topic of topics) this.topics.removeListener(topic, listener)
      this.#release(topics.filter((topic) => !unsubscribing.has(topic)))
    }
  }

  /** Dials if somebody wants something. */
  openWanted(): void {
    if (this.topics.refs > 0) this.link.open()
  }

  sweep(now: number): void {
    this.link.sweep(now)
    const { outage } = this.endpoint
    if (this.#waiting.length > 0) {
      for (const order of this.#waiting.splice(0)) {
        if (outage !== null || order.deadline <= now) this.#fail(order, outage ?? 'holdExpired')
        else this.#waiting.push(order)
      }
    }
    if (this.topics.refs > 0) {
      this.#neededAt = now
      this.link.open()
    } else if (now - this.#neededAt > LINGER) {
      this.link.connection?.drain('idle')
    }
  }

  // PushReader

  push(buf: Buffer, start: number, end: number): boolean {
    const kind = messageKind(firstText(buf, start, end))
    if (kind === undefined) {
      const head = this.link.connection?.inflight.peek()
      if (!(head instanceof Order) || !head.confirming) throw new ReplyFault('a confirmation that nobody asked for')
      return head.confirm()
    }
    const message = new Message(kind, buf, start, end)
    const listeners = this.topics.find(kind, message.name)?.listeners
    if (listeners === undefined) return false
    this.endpoint.context.recorder.messagesDelivered += listeners.size
    for (const listener of listeners) listener.message(message)
    return false
  }

  // LinkUser

  linked(): void {
    for (const kind of KINDS) {
      const topics = this.topics.withListeners(kind)
      for (let at = 0; at < topics.length; at += CHUNK) this.#renew(kind, topics.slice(at, at + CHUNK))
    }
    for (const order of this.#waiting.splice(0)) this.#submit(order)
  }

  unlinked(): void {
    const { channel, pattern, shard } = this.topics.listening
    if (channel + pattern + shard > 0) this.endpoint.context.recorder.subscriptionGaps++
    this.topics.unlink()
  }

  // OrderOwner

  confirmed(order: Order): void {
    const { action, topics, wish } = order
    for (const topic of order.named) topic.live = action !== 'unsubscribe'
    if (action === 'subscribe') {
      this.#words[wish!.kind] = wish!.word
      for (const topic of topics) topic.sent = true
      // The listener keeps the reference that the order had, unless it has one.
      if (order.abandoned) this.#release(topics)
      else for (const topic of topics) if (!this.topics.addListener(topic, wish!.listener)) this.topics.removeRef(topic)
    } else if (action === 'unsubscribe') {
      if (wish !== null) for (const topic of topics) this.topics.removeListener(topic, wish.listener)
      this.topics.forgetUnused(topics)
    }
    if (!order.abandoned) wish?.confirmed()
  }

  refused(order: Order, frame: string): void {
    const { action, topics, wish } = order
    for (const topic of order.named) topic.sent = topic.live
    if (action === 'renew') return this.#refuseRenewal(topics)
    if (action === 'subscribe') this.#release(topics)
    else if (!order.abandoned) for (const topic of topics) this.topics.addRef(topic)
    if (!order.abandoned) wish?.refused(frame)
  }

  dropped(order: Order, loss: Loss): void {
    // The connection has gone, or is about to: it is told nothing more.
    for (const topic of order.named) topic.sent = false
    if (order.action === 'unsubscribe') return this.confirmed(order)
    if (order.action === 'renew') return
    if (order.abandoned) this.#release(order.topics)
    else if (loss === 'timedOut') this.#fail(order, loss)
    else this.#submit(order)
  }

  #order(action: Order['action'], topics: readonly Topic[], wish: Wish | null): Order {
    const { clock } = this.endpoint.context
    const deadline = wish?.deadline ?? clock.now + this.endpoint.settings.upstream.commandTimeout
    return new Order(this, action, topics, clock.now, deadline, wish)
  }

  /** Sends a subscription, or lets it wait for the link. */
  #submit(order: Order): void {
    if (this.link.current !== null) return this.#send(order, order.wish!.word, order.topics)
    const { outage, settings } = this.endpoint
    if (outage !== null) return this.#fail(order, outage)
    if (this.#waiting.length >= settings.upstream.maxHeld) return this.#fail(order, 'heldExceeded')
    this.#waiting.push(order)
    this.link.open()
  }

  #send(order: Order, word: string, named: readonly Topic[]): void {
    for (const topic of named) topic.sent = order.action !== 'unsubscribe'
    this.link.current!.sendText(order, order.frame(word, named))
  }

  /** Redis hears of those topics only that nobody refers to any more. */
  #sendUnsubscribe(order: Order): void {
    const word = order.wish?.word ?? UNSUBSCRIBE[order.topics[0].kind]
    const unused = order.topics.filter((topic) => topic.refs === 0 && topic.sent)
    this.#send(order, word, unused)
  }

  /** Takes the references back that an order, or a listener that has gone, had on topics of one kind. */
  #release(topics: readonly Topic[]): void {
    for (const topic of topics) this.topics.removeRef(topic)
    this.topics.forgetUnused(topics)
    const unused = topics.filter((topic) => topic.refs === 0 && topic.sent)
    if (unused.length > 0 && this.link.current !== null) this.#sendUnsubscribe(this.#order('unsubscribe', unused, null))
  }

  #fail(order: Order, code: ErrorCode): void {
    this.#release(order.topics)
    if (order.abandoned) return
    this.endpoint.context.recorder.error(code)
    order.wish!.refused(ERROR_FRAMES[code])
  }

  #abandon(order: Order): void {
    order.abandoned = true
    const at = this.#waiting.indexOf(order)
    if (at === -1) return
    this.#waiting.splice(at, 1)
    this.#release(order.topics)
  }

  /** Subscribes on a new connection to what was subscribed to on the one before. */
  #renew(kind: Kind, topics: readonly Topic[]): void {
    this.#send(this.#order('renew', topics, null), this.#words[kind], topics)
  }

  /** One of them may not be subscribed to any more: each is asked for by itself, and costs its listeners their connection, as with Redis. */
  #refuseRenewal(topics: readonly Topic[]): void {
    if (topics.length > 1) {
      for (const topic of topics) if (topic.listeners.size > 0) this.#renew(topic.kind, [topic])
      return
    }
    for (const topic of topics) for (const listener of topic.listeners) listener.evicted()
  }
}
