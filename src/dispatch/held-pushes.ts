import type { Downstream } from './downstream.js'

/** What Redis said unasked while a reply was passing: it follows when that is complete. */
export class HeldPushes {
  bytes = 0
  #parts: (string | Buffer)[] = []

  add(part: string | Buffer): void {
    this.#parts.push(part)
    this.bytes += part.length
  }

  release(downstream: Downstream): void {
    this.bytes = 0
    for (const part of this.#parts.splice(0)) downstream.writeShared(part)
  }
}
