import { slotOf } from '../commands/slot.js'
import { matchesGlob } from '../util/glob.js'
import { chunks } from '../util/list.js'
import { type Kind, KINDS, type Message } from './message.js'

/** Somebody who hears messages. */
export interface Listener {
  message(message: Message): void
  /** Redis does not let it have again, on a new connection, what it was subscribed to. */
  evicted(): void
}

/** One channel, pattern or shard channel. */
export class Topic {
  /** Those who hear its messages: from Redis's confirmation on, until the confirmation that they left. */
  readonly listeners = new Set<Listener>()
  /** Listeners that stay, and orders on their way that may make one. With none left it is unsubscribed from. */
  refs = 0
  /** True if the last that this connection was told about it is to subscribe. */
  sent = false
  /** True if Redis has confirmed that, and not the opposite since. */
  live = false
  /** When it came here from another server, ms. */
  movedAt = -Infinity
  /** That of a shard channel; all others are `SLOTLESS`. */
  readonly slot: number

  constructor(
    readonly kind: Kind,
    readonly name: string,
  ) {
    this.slot = kind === 'shard' ? slotOf(Buffer.from(name, 'latin1')) : SLOTLESS
  }
}

/** In place of a slot: messages of channels and patterns come to every node of a cluster. */
export const SLOTLESS = -1

/** Everything that is subscribed to at one Redis. A topic is kept as long as somebody refers to it or Redis may have it. */
export class Topics {
  /** Listeners of all topics, by kind. */
  readonly listening: Record<Kind, number> = { channel: 0, pattern: 0, shard: 0 }
  /** The sum of all topics' refs. */
  refs = 0
  readonly #byKind: Readonly<Record<Kind, Map<string, Topic>>> = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  }

  get empty(): boolean {
    const { channel, pattern, shard } = this.#byKind
    return channel.size + pattern.size + shard.size === 0
  }

  find(kind: Kind, name: string): Topic | undefined {
    return this.#byKind[kind].get(name)
  }

  /** The topics among the names. */
  known(kind: Kind, names: Iterable<string>): Topic[] {
    return [...names].map((name) => this.find(kind, name)).filter((topic) => topic !== undefined)
  }

  /** Each name's topic, once. */
  of(kind: Kind, names: Iterable<string>): Topic[] {
    return [...new Set(names)].map((name) => {
      const known = this.find(kind, name)
      if (known !== undefined) return known
      const topic = new Topic(kind, name)
      this.#byKind[kind].set(name, topic)
      return topic
    })
  }

  /** Slots of which something is heard. */
  liveSlots(): Set<number> {
    const live = [...this.#byKind.shard.values()].filter((topic) => topic.live && topic.listeners.size > 0)
    return new Set(live.map(({ slot }) => slot))
  }

  where(holds: (topic: Topic) => boolean): Topic[] {
    return KINDS.flatMap((kind) => [...this.#byKind[kind].values()].filter(holds))
  }

  addRef(topic: Topic): void {
    topic.refs++
    this.refs++
  }

  removeRef(topic: Topic): void {
    topic.refs--
    this.refs--
  }

  /** False if it was one already. */
  addListener(topic: Topic, listener: Listener): boolean {
    if (topic.listeners.has(listener)) return false
    topic.listeners.add(listener)
    this.listening[topic.kind]++
    return true
  }

  /** False if it was none. */
  removeListener(topic: Topic, listener: Listener): boolean {
    if (!topic.listeners.delete(listener)) return false
    this.listening[topic.kind]--
    return true
  }

  forgetUnused(topics: Iterable<Topic>): void {
    for (const topic of topics) {
      if (topic.refs > 0 || topic.sent || topic.live) continue
      // An order that is still unanswered may name one that was forgotten before, and has a successor by now.
      if (this.find(topic.kind, topic.name) === topic) this.#byKind[topic.kind].delete(topic.name)
    }
  }

  /** The connection that had them has gone. */
  unlink(): void {
    for (const kind of KINDS) {
      for (const topic of this.#byKind[kind].values()) topic.sent = topic.live = false
      this.forgetUnused(this.#byKind[kind].values())
    }
  }

  /**
   * How many subscribers a message reaches, from what Redis says: there the connection counts as one for its channel, and, when the
   * message is published, as one for each pattern that matches.
   */
  recount(said: number, kind: Kind, channel: string, withPatterns: boolean): number {
    // It reached not even the connection.
    if (said === 0) return 0
    let count = said
    const topic = this.find(kind, channel)
    if (topic?.live === true) count += topic.listeners.size - 1
    if (withPatterns && kind === 'channel') {
      for (const pattern of this.#byKind.pattern.values()) {
        if (pattern.live && matchesGlob(pattern.name, channel)) count += pattern.listeners.size - 1
      }
    }
    // Something may have been subscribed to, or not any more, since Redis counted.
    return Math.max(0, count)
  }
}

/** The most topics of one command of respool's own. */
const MOST_NAMED = 1000

/** Topics as one command can name them: of one kind, and shard channels of one slot if slots are at several servers. */
export function portions(topics: Iterable<Topic>, sharded: boolean): Topic[][] {
  const groups = new Map<string, Topic[]>()
  for (const topic of new Set(topics)) {
    const key = sharded ? `${topic.kind} ${topic.slot}` : topic.kind
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [topic])
    else group.push(topic)
  }
  return [...groups.values()].flatMap((group) => chunks(group, MOST_NAMED))
}
