import { integer } from '../resp/encode.js'
import { isBlocking } from '../commands/spec.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { PushReader } from '../upstream/pending.js'
import type { Ring } from '../util/ring.js'
import type { Downstream } from './downstream.js'
import type { Request } from './request.js'

/** What Redis keeps for a session on its lease, so that the session keeps the lease also while it says nothing. Bits of `Anchor.bonds`. */
export const Bond = {
  /** CLIENT TRACKING. */
  tracking: 1,
  /** CLIENT NO-TOUCH. */
  noTouch: 2,
  /** CLIENT IMPORT-SOURCE. */
  importSource: 4,
} as const

/** What a session's CLIENT TRACKING is, as far as CLIENT LIST tells. */
export interface Tracking {
  readonly broadcast: boolean
  /** The id of the session that hears the invalidations, 0 if it is the one that tracks. */
  readonly redirect: number
}

/** Why Redis connects a session with one of its connections even between commands. */
export class Anchor {
  bonds = 0
  /** True once the lease is in another database than that of its lane. */
  moved = false
  tracking: Tracking | null = null
  /** The connection by which Redis knows it as one that hears invalidations for others; see reserve.ts. */
  reserved: UpstreamConnection | null = null

  get exists(): boolean {
    return this.bonds !== 0 || this.reserved !== null
  }

  /** Something begins, or ends, that keeps the lease. */
  bind(bond: number, on: boolean): void {
    this.bonds = on ? this.bonds | bond : this.bonds & ~bond
  }

  /** True if the session would lose something with the lease. */
  hangsOn(lease: UpstreamConnection): boolean {
    return this.bonds !== 0 || lease === this.reserved
  }

  /** True if a command is in flight on the lease, which is kept anyhow, that may be answered only when data comes. */
  blocks(ring: Ring<Request>): boolean {
    if (this.bonds === 0) return false
    for (let i = 0; i < ring.length; i++) if (isBlocking(ring.at(i)!.spec)) return true
    return false
  }

  reset(): void {
    this.bonds = 0
    this.tracking = null
  }
}

/** What a bound connection needs of its session. */
export interface BoundOwner {
  readonly closed: boolean
  readonly anchor: { readonly tracking: Tracking | null }
  readonly downstream: Downstream
  push(buf: Buffer, start: number, end: number): void
}

const BROKEN = Buffer.from('>2\r\n$21\r\ntracking-redir-broken\r\n')

/**
 * Passes on what Redis says unasked on a connection that a session is bound to. If that connection is lost, invalidations are lost too,
 * and what the application has cached would be stale without its knowing: its connection ends, as a direct one would have.
 */
export class Bound implements PushReader {
  constructor(readonly session: BoundOwner) {}

  push(buf: Buffer, start: number, end: number): false {
    const { session } = this
    const { tracking } = session.anchor
    if (tracking !== null && buf.compare(BROKEN, 0, BROKEN.length, start, start + BROKEN.length) === 0) {
      // The id that Redis gives is that of the connection behind.
      const frame = Buffer.concat([BROKEN, Buffer.from(integer(tracking.redirect), 'latin1')])
      session.push(frame, 0, frame.length)
    } else {
      session.push(buf, start, end)
    }
    return false
  }

  lost(): void {
    if (!this.session.closed) this.session.downstream.finish()
  }
}
