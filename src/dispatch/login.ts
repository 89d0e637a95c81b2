import { createHash, timingSafeEqual } from 'node:crypto'
import type { ErrorCode } from '../errors.js'

/** The login that an application may give: the one that the proxy itself uses upstream. */
export interface Credentials {
  readonly username: string | null
  readonly password: string | null
}

/**
 * Answers AUTH as the Redis behind would, without asking it: applications keep the password that they always gave. Nobody has to
 * log in, since whoever reaches the listener is on this host.
 */
export class Login {
  constructor(readonly credentials: Credentials) {}

  /** The error for a user and password, both latin1; null if they are right. No user is Redis's old form, AUTH password. */
  check(user: string | null, password: string): ErrorCode | null {
    const { password: expected } = this.credentials
    const username = this.credentials.username ?? 'default'
    // A Redis without a password takes any for its default user, but not in the old form.
    if (expected === null) return user === null ? 'authNotConfigured' : user === 'default' ? null : 'wrongPassword'
    const known = user === null || user === username
    return same(password, Buffer.from(expected).toString('latin1')) && known ? null : 'wrongPassword'
  }
}

/** Equal texts, compared in a time that tells nothing. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text, 'latin1').digest()
  return timingSafeEqual(digest(a), digest(b))
}
