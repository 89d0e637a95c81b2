import type { Clock } from '../util/clock.js'

/**
 * A user and a password, one character a byte, as requests are kept. No user stands for the default one, no password for not logging
 * in at all.
 */
export interface Credentials {
  readonly username: string | null
  readonly password: string | null
}

/** How long until a login that a server has refused is tried again on the same connection, ms. */
export const LOGIN_RETRY = 2000

/** Credentials of what the configuration says, which is UTF-8. */
export function credentialsOf({ username, password }: Credentials): Credentials {
  return { username: bytesOf(username), password: bytesOf(password) }
}

const bytesOf = (text: string | null): string | null =>
  text === null ? null : Buffer.from(text, 'utf8').toString('latin1')

/**
 * Whom connections to a server log in as.
 *
 *     take ──► current, which is tried first
 *                 └──► what it replaces, for a while: tried where the server does not accept the new one yet
 *
 * Each taking begins an era. Connections know the era of what they are logged in with; those of an earlier one are logged in again.
 */
export class UpstreamLogin {
  era = 1
  /** Called when a server has refused the login; null if nobody cares more than about any other fault. */
  onRefused: (() => void) | null = null
  #previous: Credentials | null = null
  #previousUntil = -Infinity
  readonly #followers = new Set<() => void>()

  /**
   * @param current null until it is known: nothing is dialled before
   * @param overlap how long what was replaced may still be tried, ms
   */
  constructor(
    public current: Credentials | null,
    readonly overlap: number,
    readonly clock: Clock,
  ) {}

  /** Other credentials count from now on; true if they are others. */
  take(next: Credentials): boolean {
    const { current } = this
    if (current?.username === next.username && current.password === next.password) return false
    this.#previous = current
    this.#previousUntil = this.clock() + this.overlap
    this.current = next
    this.era++
    for (const follow of this.#followers) follow()
    return true
  }

  /** Calls whenever other credentials are taken. */
  follow(follower: () => void): void {
    this.#followers.add(follower)
  }

  /** A server has refused it; true if somebody sees to that. */
  refuse(): boolean {
    this.onRefused?.()
    return this.onRefused !== null
  }

  /** What to try, the best first; nothing as long as nothing is known. */
  get candidates(): readonly Credentials[] {
    const { current } = this
    if (current === null) return []
    const previous = this.#previous
    return previous === null || this.clock() >= this.#previousUntil ? [current] : [current, previous]
  }
}
