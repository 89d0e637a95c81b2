import { ERROR_FRAMES, type ErrorCode } from '../errors.js'
import { ReplyFault } from '../resp/reply-scanner.js'
import type { Handover } from './handover.js'
import { StepReply } from './handshake.js'
import { firstText, type Kind, KINDS, Message, messageKind, secondText } from './message.js'
import type { Loss } from './pending.js'
import { type LinkOwner, type LinkUser, SubscriptionLink } from './subscription-link.js'
import { Order, type OrderOwner, type Wish } from './subscription-order.js'
import { Strays, type StrayOwner } from './strays.js'
import { type Listener, portions, type Topic, Topics } from './topics.js'

/** What subscriptions need of their endpoint. */
export interface SubscriptionsOwner extends LinkOwner {
  /** Why nothing can be sent now, or null if waiting makes sense. */
  readonly outage: ErrorCode | null
}

/** How long the connection stays open after nothing is subscribed to any more, ms. */
const LINGER = 5000
/** A topic that has just come from another server is not sent on for so long, ms: while nodes disagree they name each other. */
const STAY = 100
/** What a node of a cluster says to a shard channel whose slot it does not serve. */
const MISPLACED = /^-(MOVED|CLUSTERDOWN) /

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
 *          ├─► message ───────► every listener of the topic
 *          └─► slot lost ─────► asked for again, which tells where it is now ──► handed over, adopted there
 *
 * Each wish is an order to Redis, even one for a topic that is subscribed to already: the confirmation comes in the stream of messages
 * and tells from which one on the listener hears the topic, or up to which. So nobody hears anything from before its subscription,
 * and misses nothing after it.
 * With the connection messages are lost and nothing else: the next one begins by subscribing to every topic that has listeners.
 * What another server of a cluster has to carry from now on is handed over whole and at once: listeners that stay, and what was
 * wished for. They hear nothing from here any more, so that nothing comes twice.
 */
export class Subscriptions implements LinkUser, OrderOwner, StrayOwner {
  readonly link: SubscriptionLink
  readonly topics = new Topics()
  /** The words that subscribe, as applications said them last. */
  readonly #words: Record<Kind, string> = { channel: 'SUBSCRIBE', pattern: 'PSUBSCRIBE', shard: 'SSUBSCRIBE' }
  #waiting: Order[] = []
  #neededAt = 0
  readonly #strays = new Strays(this)
  /** Called when Redis says that it does not serve the slot, with its error if that is to be believed. */
  onMisplaced: (slot: number, error: string | null) => void = () => {}

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

  leave(listener: Listener, names: Readonly<Record<Kind, Iterable<string>>>, ...given: (Order | null)[]): void {
    const orders = given.filter((order) => order !== null)
    const unsubscribing = new Set(orders.flatMap(({ action, topics }) => (action === 'unsubscribe' ? topics : [])))
    for (const order of orders) this.#abandon(order)
    for (const kind of KINDS) {
      const topics = this.topics.known(kind, names[kind]).filter((topic) => this.topics.removeListener(topic, listener))
      this.#release(topics.filter((topic) => !unsubscribing.has(topic)))
    }
  }

  /** Gives up topics that another server has to carry. Whoever was about to leave one of them has left it with that. */
  handOver(leaves: (topic: Topic) => boolean): Handover {
    const orders = this.#ordersOn(leaves)
    for (const order of orders) this.#abandon(order)
    const ended = orders.filter(({ action }) => action === 'unsubscribe')
    for (const { topics, wish } of ended) for (const topic of topics) this.topics.removeListener(topic, wish!.listener)
    const topics = this.topics.where((topic) => topic.listeners.size > 0 && leaves(topic))
    if (topics.some(({ live }) => live)) this.missed()
    const heard = topics.map(({ kind, name, listeners }) => ({
      kind,
      name,
      word: this.#words[kind],
      listeners: [...listeners],
    }))
    const listened = topics.flatMap((topic) => [...topic.listeners].map((listener) => ({ topic, listener })))
    for (const { topic, listener } of listened) this.topics.removeListener(topic, listener)
    this.#release(listened.map(({ topic }) => topic))
    for (const { wish } of ended) wish!.confirmed()
    return { heard, wishes: orders.filter(({ action }) => action === 'subscribe').map(({ wish }) => wish!) }
  }

  /** Takes over what another server carried. */
  adopt({ heard, wishes }: Handover): void {
    const { now } = this.endpoint.context.clock
    const topics = heard.map(({ kind, name, word, listeners }) => {
      const [topic] = this.topics.of(kind, [name])
      this.#words[kind] = word
      topic.movedAt = now
      for (const listener of listeners) if (this.topics.addListener(topic, listener)) this.topics.addRef(topic)
      return topic
    })
    this.renewAll(topics.filter(({ sent }) => !sent))
    for (const wish of wishes) {
      const order = this.subscribe(wish)
      for (const topic of order.topics) topic.movedAt = now
      wish.moved?.(order)
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
        else if (this.link.current !== null) this.#submit(order)
        else this.#waiting.push(order)
      }
    }
    this.#strays.sweep()
    if (this.topics.refs > 0) {
      this.#neededAt = now
      this.link.open()
    } else if (now - this.#neededAt > LINGER) {
      this.link.connection?.drain('idle')
    }
  }

  // PushReader

  push(buf: Buffer, start: number, end: number): boolean {
    const word = firstText(buf, start, end)
    const kind = messageKind(word)
    if (kind === undefined) {
      if (this.#sharded && word === 'sunsubscribe') return this.#dropped(secondText(buf, start, end))
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
    this.renewAll(this.topics.where(({ listeners }) => listeners.size > 0))
    for (const order of this.#waiting.splice(0)) this.#submit(order)
  }

  unlinked(): void {
    const { channel, pattern, shard } = this.topics.listening
    if (channel + pattern + shard > 0) this.missed()
    this.topics.unlink()
  }

  // StrayOwner

  missed(): void {
    this.endpoint.context.recorder.subscriptionGaps++
  }

  renewAll(topics: readonly Topic[]): void {
    if (topics.length === 0) return
    if (this.link.current === null) return this.link.open()
    for (const some of portions(topics, this.#sharded)) this.#renew(some)
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
      if (wish !== null && !order.abandoned)
        for (const topic of topics) this.topics.removeListener(topic, wish.listener)
      this.topics.forgetUnused(topics)
    }
    if (!order.abandoned) wish?.confirmed()
  }

  refused(order: Order, frame: string): void {
    const { action, topics, wish } = order
    for (const topic of order.named) topic.sent = topic.live
    if (this.#sharded && topics[0].kind === 'shard' && MISPLACED.test(frame)) return this.#misplaced(order, frame)
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

  answersTwice({ since, deadline }: Order): void {
    this.link.connection!.inflight.unshift(new StepReply(since, deadline, () => {}))
  }

  /** True for a node of a cluster. */
  get #sharded(): boolean {
    return this.endpoint.settings.upstream.target.kind === 'cluster'
  }

  #order(action: Order['action'], topics: readonly Topic[], wish: Wish | null): Order {
    const { clock } = this.endpoint.context
    const deadline = wish?.deadline ?? clock.now + this.endpoint.settings.upstream.commandTimeout
    return new Order(this, action, topics, clock.now, deadline, wish)
  }

  /** Sends a subscription, or lets it wait for the link. */
  #submit(order: Order): void {
    if (this.link.current !== null) return this.#send(order, order.wish!.word, order.topics)
    const { outage } = this.endpoint
    if (outage !== null) return this.#fail(order, outage)
    this.#wait(order)
    this.link.open()
  }

  #wait(order: Order): void {
    if (this.#waiting.length >= this.endpoint.settings.upstream.maxHeld) return this.#fail(order, 'heldExceeded')
    this.#waiting.push(order)
  }

  #send(order: Order, word: string, named: readonly Topic[]): void {
    for (const topic of named) topic.sent = order.action !== 'unsubscribe'
    const closes = this.#sharded && order.action === 'unsubscribe' && order.topics[0].kind === 'shard'
    this.link.current!.sendText(order, order.frame(word, named, closes))
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
    if (this.link.current === null) return
    const unused = topics.filter((topic) => topic.refs === 0 && topic.sent)
    for (const some of portions(unused, this.#sharded)) this.#sendUnsubscribe(this.#order('unsubscribe', some, null))
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

  /** Subscribes again to what somebody listens to already. */
  #renew(topics: readonly Topic[]): void {
    const { kind } = topics[0]
    this.#send(this.#order('renew', topics, null), this.#words[kind], topics)
  }

  /** One of them may not be subscribed to any more: each is asked for by itself, and costs its listeners their connection, as with Redis. */
  #refuseRenewal(topics: readonly Topic[]): void {
    if (topics.length > 1) {
      for (const topic of topics) if (topic.listeners.size > 0) this.#renew([topic])
      return
    }
    for (const topic of topics) for (const listener of topic.listeners) listener.evicted()
  }

  /** Orders of listeners that are unanswered, and concern such a topic. */
  #ordersOn(leaves: (topic: Topic) => boolean): Order[] {
    const orders = [...this.#waiting]
    const { inflight } = this.link.connection ?? {}
    for (let i = 0; inflight !== undefined && i < inflight.length; i++) {
      const pending = inflight.at(i)
      if (pending instanceof Order) orders.push(pending)
    }
    return orders.filter(({ abandoned, wish, topics }) => !abandoned && wish !== null && topics.some(leaves))
  }

  /** Shard channels are said to be unsubscribed from: as was ordered, or because Redis has lost their slot. */
  #dropped(name: string): false {
    const topic = this.topics.find('shard', name)
    if (topic?.sent !== true || !topic.live) return false
    const head = this.link.connection?.inflight.peek()
    const ordered = head instanceof Order && head.action === 'unsubscribe' && head.named.includes(topic)
    if (!ordered) this.#strays.drop(topic)
    return false
  }

  /** Redis does not serve the slot. Unless that moves it elsewhere at once, it is asked again at the next sweep. */
  #misplaced(order: Order, frame: string): void {
    const { action, topics, abandoned } = order
    if (action === 'unsubscribe') {
      for (const topic of order.named) topic.sent = false
      return this.confirmed(order)
    }
    if (abandoned) return this.#release(topics)
    if (action === 'subscribe') this.#wait(order)
    else this.#strays.refused(topics)
    const stays = topics.some(({ movedAt }) => this.endpoint.context.clock.now - movedAt < STAY)
    this.onMisplaced(topics[0].slot, stays ? null : frame)
  }
}
