import { LRUCache } from 'lru-cache'
import type { LabelCounter } from '../metrics/label-counter.js'
import type { DropCause } from '../metrics/recorder.js'

/** A command that writes, and that Redis has not answered yet. */
export interface Writer {
  readonly done: boolean
  /** True if nobody waits for the answer any more. */
  readonly lost: boolean
}

export interface StoreLimits {
  readonly maxBytes: number
  readonly maxEntries: number
  readonly maxEntryBytes: number
}

/** What is known of one key. */
interface Place {
  readonly key: string
  /** What is kept of it, or asked for. */
  readonly variants: Set<string>
  writers: Writer[]
}

interface Entry {
  readonly place: Place
  readonly reply: string
  /** ms on the monotonic clock. */
  readonly until: number
}

/** A place for a reply that is on its way. */
export class Reservation {
  /** True once the key may have changed: the reply must not be kept. */
  voided = false
  reply: string | null = null

  constructor(
    readonly variant: string,
    readonly place: Place,
  ) {}
}

/** Reads whose replies are to be kept that may be on their way at once; more are not kept. */
const MOST_PENDING = 1000
/** Keys that may be being written at once; a write to one more counts as one to any key. */
const MOST_WRITTEN = 10_000
/** What an entry takes besides its texts, bytes: measured, and rounded up. */
const OVERHEAD = 512

/**
 * Replies, by the very command in the space that it was asked in, and by the key that they are made of.
 *
 *     read is sent ──► reserved ──► reply has come ──► kept ──► found … found
 *                         │                              │
 *                         └────── key may have changed ──┴──► voided, dropped
 *
 *     write is sent ──► the key is dropped, and nothing of it is reserved until the write is done
 *
 * Invariants: what is kept was sent for when no write to its key was on its way here, and neither such a write nor a word of Redis
 * about the key has come since. So a read that is sent after a write was answered never finds what was there before: a reply can only be
 * found if its own read was sent after that, too.
 */
export class Store {
  readonly #entries: LRUCache<string, Entry>
  readonly #places = new Map<string, Place>()
  readonly #pending = new Map<string, Reservation>()
  /** Places that are being written. */
  readonly #written = new Set<Place>()
  /** Writes that may concern any key. */
  #unknown: Writer[] = []

  constructor(
    readonly limits: StoreLimits,
    readonly dropped: LabelCounter,
  ) {
    this.#entries = new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      dispose: (entry, variant, reason) => {
        if (reason === 'evict') this.#evicted(entry, variant)
      },
    })
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#entries.calculatedSize
  }

  /** The reply to a command; null if there is none. */
  find(variant: string, now: number): string | null {
    const entry = this.#entries.get(variant)
    if (entry === undefined) return null
    if (entry.until > now) return entry.reply
    this.#entries.delete(variant)
    this.#evicted(entry, variant, 'age')
    return null
  }

  /** For the reply to a read that is sent now; null if that may not be kept, or another one is on its way. */
  reserve(variant: string, key: string): Reservation | null {
    if (this.#pending.size >= MOST_PENDING || this.#pending.has(variant) || this.#entries.has(variant)) return null
    if (this.#isBarred()) return null
    const place = this.#placeOf(key)
    if (place.writers.length > 0 && !this.#settle(place)) return null
    const reservation = new Reservation(variant, place)
    place.variants.add(variant)
    this.#pending.set(variant, reservation)
    return reservation
  }

  /** Nothing will come, or nothing that may be kept. */
  release({ voided, variant, place }: Reservation): void {
    if (voided) return
    this.#pending.delete(variant)
    place.variants.delete(variant)
    this.#tidy(place)
  }

  keep(reservation: Reservation, reply: string, until: number): void {
    const { voided, variant, place } = reservation
    if (voided) return
    const size = variant.length + reply.length + place.key.length + OVERHEAD
    if (size > this.limits.maxEntryBytes + OVERHEAD || size > this.limits.maxBytes) return this.release(reservation)
    this.#pending.delete(variant)
    this.#entries.set(variant, { place, reply, until }, { size })
  }

  /** The key has changed. */
  void(key: string, cause: DropCause): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#empty(place, cause)
    this.#tidy(place)
  }

  /** A write to the key has been sent. */
  written(key: string, writer: Writer): void {
    if (this.#written.size >= MOST_WRITTEN) return this.writtenAnywhere(writer)
    const place = this.#placeOf(key)
    this.#empty(place, 'write')
    place.writers.push(writer)
    this.#written.add(place)
  }

  /** A command has been sent that may write any key. */
  writtenAnywhere(writer: Writer): void {
    this.#unknown.push(writer)
    this.voidAll('unknown')
  }

  /** Any key may have changed. */
  voidAll(cause: DropCause): void {
    for (let left = this.#entries.size; left > 0; left--) this.dropped.add(cause)
    this.#entries.clear()
    for (const reservation of this.#pending.values()) reservation.voided = true
    this.#pending.clear()
    this.#places.clear()
    for (const place of this.#written) {
      place.variants.clear()
      this.#places.set(place.key, place)
    }
  }

  /** Forgets writes that are done. To be called now and then. */
  sweep(): void {
    this.#isBarred()
    for (const place of this.#written) if (this.#settle(place)) this.#tidy(place)
  }

  /** True while a write is on its way that may concern any key. */
  #isBarred(): boolean {
    if (this.#unknown.length === 0) return false
    this.#unknown = this.#unknown.filter(isGoingOn)
    return this.#unknown.length > 0
  }

  /** Forgets the writes to a place that are done; true if none is left. */
  #settle(place: Place): boolean {
    place.writers = place.writers.filter(isGoingOn)
    if (place.writers.length > 0) return false
    this.#written.delete(place)
    return true
  }

  #placeOf(key: string): Place {
    let place = this.#places.get(key)
    if (place === undefined) this.#places.set(key, (place = { key, variants: new Set(), writers: [] }))
    return place
  }

  #empty(place: Place, cause: DropCause): void {
    for (const variant of place.variants) {
      if (this.#entries.delete(variant)) this.dropped.add(cause)
      const pending = this.#pending.get(variant)
      if (pending === undefined) continue
      pending.voided = true
      this.#pending.delete(variant)
    }
    place.variants.clear()
  }

  #evicted({ place }: Entry, variant: string, cause: DropCause = 'room'): void {
    this.dropped.add(cause)
    place.variants.delete(variant)
    this.#tidy(place)
  }

  #tidy(place: Place): void {
    if (place.variants.size === 0 && place.writers.length === 0) this.#places.delete(place.key)
  }
}

const isGoingOn = ({ done, lost }: Writer): boolean => !done && !lost
