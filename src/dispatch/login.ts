import { timingSafeEqual } from 'node:crypto'
import { hashOf, type User } from '../config/users.js'
import type { ErrorCode } from '../errors.js'
import type { Credentials, UpstreamLogin } from '../upstream/login.js'
import { type Door, IN, out, type Verdict } from './door.js'
import { enter } from './entry.js'
import type { Session, SessionContext } from './session.js'

/**
 * Answers AUTH as the Redis behind would, without asking it: applications keep the password that they always gave. Nobody has to
 * log in.
 */
export class OpenDoor implements Door<Session> {
  readonly open = true

  constructor(readonly login: UpstreamLogin) {}

  arrive(): void {}

  admit(session: Session, user: string | null, password: string): Verdict {
    const refusals = this.login.candidates.map((credentials) => refusalOf(credentials, user, password))
    if (!refusals.includes(null)) return out(refusals[0] ?? 'wrongPassword')
    session.user = user ?? 'default'
    return IN
  }

  knock(): ErrorCode {
    return 'noAuth'
  }
}

function refusalOf({ username, password }: Credentials, user: string | null, given: string): ErrorCode | null {
  // A Redis without a password takes any for its default user, but not in the old form.
  if (password === null) return user === null ? 'authNotConfigured' : user === 'default' ? null : 'wrongPassword'
  const known = user === null || user === (username ?? 'default')
  return same(hashOf(given), hashOf(password)) && known ? null : 'wrongPassword'
}

/** What a session was let in for: it loses its connection when that is no longer so. */
interface Grant {
  readonly name: string
  readonly hash: string
}

/** Lets in who is one of the users. */
export class UsersDoor implements Door<Session> {
  readonly open = false
  #users: ReadonlyMap<string, User>
  readonly #grants = new WeakMap<Session, Grant>()
  /** Where sessions are when they have logged in. */
  readonly #inside: SessionContext

  constructor(users: readonly User[], shared: SessionContext) {
    this.#users = byName(users)
    this.#inside = { ...shared, door: this }
  }

  arrive(): void {}

  admit(session: Session, user: string | null, password: string): Verdict {
    const grant = { name: user ?? 'default', hash: hashOf(password) }
    if (!this.#allows(grant)) return out('wrongPassword')
    this.#grants.set(session, grant)
    enter(session, this.#inside, grant.name)
    return IN
  }

  knock(): ErrorCode {
    return 'noAuth'
  }

  /** Other users count from now on. Who has logged in with what is no longer good is disconnected. */
  take(users: readonly User[]): void {
    this.#users = byName(users)
    for (const session of this.#inside.registry.all()) {
      const grant = this.#grants.get(session)
      if (grant !== undefined && !this.#allows(grant)) session.downstream.destroy('login revoked')
    }
  }

  #allows({ name, hash }: Grant): boolean {
    const user = this.#users.get(name)
    if (user === undefined || !user.enabled) return false
    return user.nopass || user.hashes.some((known) => same(hash, known))
  }
}

const byName = (users: readonly User[]): Map<string, User> => new Map(users.map((user) => [user.name, user]))

/** Equal digests, compared in a time that tells nothing. */
function same(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))
}
