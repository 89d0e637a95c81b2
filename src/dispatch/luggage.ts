import type { Protocol } from '../resp/encode.js'
import type { Session } from './session.js'

/** What a session that moves to another process takes along: all that its application has told of itself. */
export interface Luggage {
  readonly protocol: Protocol
  readonly database: number
  readonly user: string
  readonly name: string
  readonly libName: string
  readonly libVersion: string
  readonly noEvict: boolean
  readonly replyMode: Session['replyMode']
  readonly lastCommand: string
  /** How long it has been there, ms. */
  readonly age: number
}

/**
 * Keeps a session from taking further commands, so that it can be packed once the last one is answered. False if something connects
 * it with this process: a login, a lease, and so a transaction, a blocking call or tracking; subscriptions; a login that was asked for; or anything that
 * holds it up.
 */
export function holdForMove(session: Session): boolean {
  if (session.held === 'moving') return true
  if (session.held !== null || session.mode.current !== 'open' || session.pooling !== 'command') return false
  // Another process could not tell that it has logged in, nor as whom.
  if (!session.lobby.door.open) return false
  // What it has logged in with stays here.
  if (!session.context.door.open) return false
  if (session.lease !== null || session.anchor.exists || session.subscribed || session.partial) return false
  session.hold('moving')
  return true
}

/** The session goes on here after all. */
export function stay(session: Session): void {
  if (session.held === 'moving') session.unhold()
}

export function pack(session: Session): Luggage {
  const { protocol, database, user, name, libName, libVersion, noEvict, replyMode, lastCommand, context, since } =
    session
  const age = Math.round(context.clock.now - since)
  return { protocol, database, user, name, libName, libVersion, noEvict, replyMode, lastCommand, age }
}

/** Has a new session be the one that was packed. */
export function unpack(session: Session, { protocol, database, age, ...told }: Luggage): void {
  session.changeLane(protocol, database)
  Object.assign(session, told)
  session.since = session.context.clock.now - age
  session.reads?.arrived()
}
