import { slotOf } from '../commands/slot.js'
import { readRedirect } from '../resp/redirect.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { Heard } from '../upstream/handover.js'
import type { Kind } from '../upstream/message.js'
import type { Wish } from '../upstream/subscription-order.js'
import type { Subscriptions } from '../upstream/subscriptions.js'
import { SLOTLESS } from '../upstream/topics.js'

/** What carriers need of the topology. */
export interface SlotOwners {
  readonly sharded: boolean
  readonly home: Endpoint
  primaryOf(slot: number): Endpoint | null
  moved(slot: number, address: string, from: Endpoint): Endpoint | null
  refresh(): void
}

/** For how long a server that says nothing of it is believed to have its slots though the topology has them elsewhere, ms. */
const TRUST = 1000

/** What one server carries of a number of names. */
export interface Share {
  readonly carrier: Subscriptions
  readonly names: readonly string[]
}

/**
 * Which server carries which subscriptions.
 *
 *     channels, patterns ──► the home server: in a cluster every node hears of them
 *     shard channels ──────► the primary of their slot
 *     the topology changes, or a server says MOVED ──► handed over to the one that has the slot now, or is the home now
 *
 * Invariant: whatever somebody is subscribed to, or is about to be, is with the server that stands here for it.
 * A server that loses a slot unsubscribes from its channels, while a node that tells the map may be behind. So what is heard stays
 * where it is for a while, whatever the map says. A slot that no server is known to serve stays with the one that had it last.
 */
export class Carriers {
  #home: Subscriptions
  /** Of the slots that were asked for. */
  readonly #slots = new Map<number, Subscriptions>()
  /** True while a slot is heard where it should not be any more, and since when, ms. */
  #disputed = false
  #disputedSince: number | null = null

  constructor(readonly topology: SlotOwners) {
    this.#home = topology.home.subscriptions
  }

  of(kind: Kind, name: string): Subscriptions {
    if (kind !== 'shard' || !this.topology.sharded) return this.#home
    return this.#ofSlot(slotOf(Buffer.from(name, 'latin1')))
  }

  /** Names by what one command can say: in a cluster shard channels of one slot. */
  shares(kind: Kind, names: readonly string[]): Share[] {
    if (kind !== 'shard' || !this.topology.sharded) return [{ carrier: this.#home, names }]
    const bySlot = new Map<number, string[]>()
    for (const name of names) {
      const slot = slotOf(Buffer.from(name, 'latin1'))
      const known = bySlot.get(slot)
      if (known === undefined) bySlot.set(slot, [name])
      else known.push(name)
    }
    return [...bySlot].map(([slot, own]) => ({ carrier: this.#ofSlot(slot), names: own }))
  }

  /** To be called every 50 to 100 ms. */
  sweep(now: number): void {
    if (!this.#disputed) return
    this.#disputedSince ??= now
    if (now - this.#disputedSince > TRUST) this.follow(false)
  }

  /**
   * The topology has changed.
   *
   * @param trusting false if slots go even from where they are still heard
   */
  follow(trusting = true): void {
    const heard = new Map<Subscriptions, ReadonlySet<number>>()
    const hears = (carrier: Subscriptions, slot: number) => {
      const slots = heard.get(carrier) ?? carrier.topics.liveSlots()
      heard.set(carrier, slots)
      return slots.has(slot)
    }
    let disputed = false
    const leaving = new Map<Subscriptions, Set<number>>()
    const leave = (carrier: Subscriptions, slot: number) => {
      leaving.set(carrier, (leaving.get(carrier) ?? new Set()).add(slot))
    }
    const home = this.topology.home.subscriptions
    if (home !== this.#home) leave(this.#home, SLOTLESS)
    this.#home = home
    for (const [slot, carrier] of this.#slots) {
      const owner = this.topology.primaryOf(slot)?.subscriptions ?? carrier
      if (owner === carrier) continue
      if (trusting && hears(carrier, slot)) {
        disputed = true
        continue
      }
      leave(carrier, slot)
      this.#slots.set(slot, owner)
    }
    this.#disputed = disputed
    if (!disputed) this.#disputedSince = null
    for (const [carrier, slots] of leaving) this.#move(carrier, slots)
  }

  /** A server has answered that it does not serve the slot of a shard channel; with the error if that is to be believed. */
  misplaced(slot: number, error: string | null, from: Endpoint): void {
    const redirect = error === null ? null : readRedirect(error)
    if (redirect?.slot !== slot) return this.topology.refresh()
    this.topology.moved(slot, redirect.address, from)
    // The topology may have known before.
    this.follow()
  }

  #ofSlot(slot: number): Subscriptions {
    let carrier = this.#slots.get(slot)
    if (carrier === undefined) {
      carrier = (this.topology.primaryOf(slot) ?? this.topology.home).subscriptions
      this.#slots.set(slot, carrier)
    }
    return carrier
  }

  #move(from: Subscriptions, slots: ReadonlySet<number>): void {
    const { heard, wishes } = from.handOver((topic) => slots.has(topic.slot))
    const byCarrier = new Map<Subscriptions, { heard: Heard[]; wishes: Wish[] }>()
    const parcel = (carrier: Subscriptions) => {
      const known = byCarrier.get(carrier) ?? { heard: [], wishes: [] }
      byCarrier.set(carrier, known)
      return known
    }
    for (const one of heard) parcel(this.of(one.kind, one.name)).heard.push(one)
    for (const wish of wishes) parcel(this.of(wish.kind, wish.names[0])).wishes.push(wish)
    for (const [carrier, handover] of byCarrier) carrier.adopt(handover)
  }
}
