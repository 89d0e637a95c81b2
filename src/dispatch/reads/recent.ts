/** Slots that one session remembers; with more, the oldest write counts for all slots. */
const MOST_SLOTS = 256

/**
 * What a session has written in the last while, so that it reads that from where it has written it.
 *
 * Invariant: a write is forgotten only when its time is over. Where it was is forgotten earlier, if there are too many: it then counts for
 * all slots.
 */
export class RecentWrites {
  /** By slot: when it was written to last; the oldest write first. */
  readonly #bySlot = new Map<number, number>()
  /** The last write that counts for all slots, and the last of all. */
  #anywhere = -Infinity
  #last = -Infinity

  /** @param time for which a write counts, ms */
  constructor(readonly time: number) {}

  /** @param slot negative if that is not known, or if there is only one place to write to */
  note(slot: number, now: number): void {
    this.#last = now
    if (slot < 0) {
      this.#anywhere = now
      return
    }
    const slots = this.#bySlot
    slots.delete(slot)
    slots.set(slot, now)
    for (const [oldest, at] of slots) {
      if (now - at < this.time && slots.size <= MOST_SLOTS) return
      slots.delete(oldest)
      if (now - at < this.time) this.#anywhere = Math.max(this.#anywhere, at)
    }
  }

  /** @param slot negative for what concerns all of them */
  concern(slot: number, now: number): boolean {
    if (now - this.#last >= this.time) return false
    if (slot < 0 || now - this.#anywhere < this.time) return true
    return now - (this.#bySlot.get(slot) ?? -Infinity) < this.time
  }
}
