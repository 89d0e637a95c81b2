import type { ErrorCode } from '../errors.js'

/** How a connection can lose a command: not a byte of it was written, or its answer did not come. */
export type Loss = Extract<ErrorCode, 'notSent' | 'outcomeUnknown' | 'timedOut'>

/** What an upstream connection knows of a command that it carries. */
export interface Pending {
  /** When it came, ms on the monotonic clock. */
  readonly since: number
  /** When the answer must have begun, ms on the monotonic clock; Infinity for never. */
  readonly deadline: number
  /** True once `lose` was called: the answer, should it come, belongs to nobody. */
  readonly lost: boolean
  /**
   * A range of the answer. Small answers come in one call with `last` set; large ones in several. The bytes are the
   * connection's read buffer: good only during the call.
   */
  reply(buf: Buffer, start: number, end: number, last: boolean): void
  /** There will be no answer, or none that may still be used. */
  lose(loss: Loss): void
  /** The answer has come after all, and belongs to nobody; for who must know what it did to the connection. */
  late?(buf: Buffer, start: number, end: number): void
}

/** Takes every byte that comes on a connection which serves one session alone, framed or not. */
export interface Relay {
  bytes(buf: Buffer, start: number, end: number): void
  lost(): void
}

/** Takes the push frames of a connection: what Redis says there without being asked. */
export interface PushReader {
  /** The largest frame that is put together, bytes: the connection ends at a larger one. Any, if not given. */
  readonly mostPushBytes?: number
  /**
   * A whole push frame, good only during the call. True if it answers the oldest command, as the confirmation of a
   * subscription does: then it is its reply.
   */
  push(buf: Buffer, start: number, end: number): boolean
  /** The connection has closed: nothing more will be said. */
  lost?(): void
}

/** A session, as its lease sees it. */
export interface LeaseHolder {
  /** True while it is between two commands and not within a transaction: then a command of respool's own does no harm. */
  readonly pauses: boolean
  /** The lease takes bytes again. */
  uncongested(): void
}
