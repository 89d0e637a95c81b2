import type { Protocol } from './corpus/script.ts'

/** A reply that respool means to be another one than the server's. Everything else has to be equal byte for byte. */
export interface IntendedDifference {
  /** Matched with the step in words. */
  readonly command: RegExp
  /** Only in this protocol. */
  readonly only?: Protocol
  readonly reason: string
  /** What respool answers instead, matched with the whole frame. */
  readonly proxied: RegExp
}

export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = []
