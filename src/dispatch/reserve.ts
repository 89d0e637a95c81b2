import type { ErrorCode } from '../errors.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Waiter } from '../upstream/wait-queue.js'
import { Bound } from './anchor.js'
import type { Session } from './session.js'
import { Holder } from './ways.js'

/**
 * The connection by which Redis shall know a session that others have named by its id:
 *
 *   CLIENT TRACKING ON REDIRECT <session's id>
 *        └─► reserve ──► Redis pushes to it what the session has to hear
 *                │
 *                └─ whatever the session wants a lease for from now on happens on it
 *
 * So it is the same to Redis as if the session had no other: it hears invalidations in RESP3, and in RESP2 once it has
 * subscribed to them. Its plain commands still go to shared connections. It is never used by another session, since Redis
 * would go on telling it of keys.
 */
export function reservedOf(session: Session): UpstreamConnection | null {
  if (session.anchor.reserved === null && session.lease !== null) keep(session, session.lease)
  return session.anchor.reserved
}

/** Gets one at once, or later (null) and then calls `done`, or answers the error if that is no use. */
export function reserve(
  session: Session,
  done: (refusal: ErrorCode | null) => void,
): UpstreamConnection | ErrorCode | null {
  const { lane, context } = session
  const granted = (connection: UpstreamConnection) => {
    if (session.closed || reservedOf(session) !== null) lane.endpoint.giveBack(connection, 'nothing')
    else keep(session, connection)
  }
  const waiter: Waiter = {
    deadline: context.clock.now + context.limits.leaseWait,
    queue: null,
    granted: (connection) => {
      granted(connection!)
      done(null)
    },
    refused: done,
  }
  const got = lane.endpoint.lease(lane, waiter, 'lasting')
  if (got !== null && typeof got !== 'string') granted(got)
  return got
}

function keep(session: Session, connection: UpstreamConnection): void {
  session.anchor.reserved = connection
  connection.holder ??= new Holder(session, connection)
  connection.pushes = new Bound(session)
}
