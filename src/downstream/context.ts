import type { AuthMode } from '../config/config.js'
import type { SessionOptions } from '../dispatch/context.js'
import type { Luggage } from '../dispatch/luggage.js'
import type { SessionContext } from '../dispatch/session.js'
import type { Guards } from '../guard/guards.js'
import type { Gather } from '../resp/gather.js'
import type { ReadBuffer } from '../resp/read-buffer.js'
import type { RequestLimits } from '../resp/request-scanner.js'
import type { TurnQueue } from '../util/turn.js'
import type { Allowance } from './allowance.js'
import type { UnreadLimits } from './unread.js'

/** What all connections of applications share. */
export interface DownstreamContext {
  readonly dispatch: SessionContext
  /** Where sessions begin, by how their listener lets them in. */
  readonly lobby: (auth: AuthMode) => SessionContext
  readonly reads: ReadBuffer
  /** The gather of the upstream side, whose ranges are written here. */
  readonly replies: Gather
  readonly turns: TurnQueue
  readonly limits: DownstreamLimits
  /** Those of all listeners. */
  readonly guards: Guards
  /** Unread reply bytes of all connections. */
  readonly buffered: { bytes: number }
}

export interface DownstreamLimits extends RequestLimits, UnreadLimits {
  /** How long it may say nothing at all, ms; 0 = for ever. */
  idleTimeout: number
}

/** What a listener has for its connections. */
export interface ConnectionOptions extends SessionOptions {
  /** Null if they may use what others leave. */
  readonly allowance: Allowance | null
}

/** A connection that was elsewhere before, or that another process has let in: its id, what its session was, and what it has said. */
export interface Arrival {
  readonly id: number
  readonly luggage?: Luggage
  /** Bytes that were read and not taken in, latin1. */
  readonly rest?: string
}
