import type { Topic } from './topics.js'

/** What strays need of the subscriptions that they belong to. */
export interface StrayOwner {
  /** Listeners have missed messages, or may have. */
  missed(): void
  /** Subscribes again. */
  renewAll(topics: readonly Topic[]): void
}

/**
 * Shard channels with listeners that a node of a cluster does not serve any more, or would not have again.
 *
 *     dropped unasked ──(all of the slot together)──► asked for again ──► it is back, or redirected: the topology knows
 *                                                        ▲
 *     refused ──────────────────(the next sweep)─────────┘
 */
export class Strays {
  #dropped: Topic[] = []
  readonly #refused = new Set<Topic>()

  constructor(readonly owner: StrayOwner) {}

  /** Redis has lost the slot, and has unsubscribed from its channels. */
  drop(topic: Topic): void {
    topic.sent = topic.live = false
    // Those of a slot come at once, a push for each.
    if (this.#dropped.length === 0) queueMicrotask(() => this.#renewDropped())
    this.#dropped.push(topic)
  }

  refused(topics: readonly Topic[]): void {
    for (const topic of topics) this.#refused.add(topic)
  }

  sweep(): void {
    if (this.#refused.size === 0) return
    const topics = [...this.#refused].filter(strays)
    this.#refused.clear()
    this.owner.renewAll(topics)
  }

  #renewDropped(): void {
    const topics = this.#dropped.splice(0).filter(strays)
    if (topics.length === 0) return
    this.owner.missed()
    this.owner.renewAll(topics)
  }
}

function strays({ sent, listeners }: Topic): boolean {
  return !sent && listeners.size > 0
}
