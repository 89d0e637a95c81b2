import type { ErrorCode } from '../errors.js'

/** What becomes of a login: it is in; it has to ask again, when nothing is in flight or when the session is resumed; or it is not. */
export type Verdict =
  | { readonly kind: 'in' }
  | { readonly kind: 'drain' }
  | { readonly kind: 'later' }
  | { readonly kind: 'out'; readonly code: ErrorCode }
  /** In Redis's words. */
  | { readonly kind: 'refused'; readonly text: string }

export const IN: Verdict = { kind: 'in' }
export const DRAIN_FIRST: Verdict = { kind: 'drain' }
export const LATER: Verdict = { kind: 'later' }
export const out = (code: ErrorCode): Verdict => ({ kind: 'out', code })

/** How sessions (S) of one listener are let in. */
export interface Door<S> {
  /** True if nobody has to log in. */
  readonly open: boolean
  /** A session stands before it, locked: it has just come, or wants to begin anew. */
  arrive(session: S): void
  /** Judges a user and password, one character a byte, and lets the session in; no user is Redis's old form, AUTH password. */
  admit(session: S, user: string | null, password: string): Verdict
  /** What a session that has not been let in hears when it wants anything else. */
  knock(session: S): ErrorCode
}
