import type { CommandSpec } from '../commands/spec.js'
import type { Use } from '../upstream/lease-use.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Route } from './route.js'

/** What it takes to send a command again. */
export interface Kept {
  /** The request frame, one character a byte. */
  readonly text: string
  /** The slot of its keys; -1 if it has none. */
  readonly slot: number
  /** What it has its own connection for; null on a shared one. */
  use: Use | null
  /** How often it was sent again. */
  hops: number
}

/** A command that can be sent again. */
export interface Repeatable {
  readonly deadline: number
  readonly spec: CommandSpec
  readonly kept: Kept | null
  /** The command that it is a part of, if several servers carry that out. */
  readonly whole?: object
  /** Where it was sent last. */
  route: Route
  /** It is about to be sent on another connection. */
  movedTo?(connection: UpstreamConnection): void
  sendOn(connection: UpstreamConnection): void
  /** Sending it again is no use: this error frame is its answer. */
  giveUp(frame: string): void
}
