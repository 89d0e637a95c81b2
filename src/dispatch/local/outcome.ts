import type { ErrorCode } from '../../errors.js'
import type { PinReason } from '../../metrics/recorder.js'
import type { Judge } from '../asked.js'

/** What the proxy's own handling of a command comes to. */
export type Outcome =
  | { readonly kind: 'reply'; readonly text: string }
  /** An error in Redis's words: the text without the type byte. */
  | { readonly kind: 'error'; readonly text: string }
  /** An error of the table. */
  | { readonly kind: 'code'; readonly code: ErrorCode }
  /** An error of the table that names a command. */
  | { readonly kind: 'refuse'; readonly code: ErrorCode; readonly name: string }
  /** Ask again when nothing is in flight: it changes where the following commands go. */
  | { readonly kind: 'drain' }
  /** Ask again when the session is resumed: Redis is being asked. */
  | { readonly kind: 'hold' }
  /** Redis answers it, as it came or as the given request frame. */
  | { readonly kind: 'forward'; readonly request: string | null }
  /** It needs a connection of its own. */
  | { readonly kind: 'relay'; readonly reason: PinReason }
  /** Redis answers it on the session's lease, as it came or as a request frame made there, and `judge` sees the answer first. */
  | { readonly kind: 'ask'; readonly reason: PinReason; readonly request: (() => string) | null; readonly judge: Judge }
  /** No reply at all. */
  | { readonly kind: 'none' }
  /** The last reply of this connection. */
  | { readonly kind: 'quit'; readonly text: string }

export const reply = (text: string): Outcome => ({ kind: 'reply', text })
export const failure = (text: string): Outcome => ({ kind: 'error', text })
export const code = (errorCode: ErrorCode): Outcome => ({ kind: 'code', code: errorCode })
/** The command is for what respool only stands in for. */
export const beyond = (name: string): Outcome => ({ kind: 'refuse', code: 'beyondStandIn', name })
export const relayed = (reason: PinReason): Outcome => ({ kind: 'relay', reason })
export const DRAIN: Outcome = { kind: 'drain' }
export const asked = (reason: PinReason, request: (() => string) | null, judge: Judge): Outcome => ({
  kind: 'ask',
  reason,
  request,
  judge,
})
export const NONE: Outcome = { kind: 'none' }
export const HOLD: Outcome = { kind: 'hold' }
export const FORWARD: Outcome = { kind: 'forward', request: null }
