import type { Session } from '../dispatch/session.js'
import { unblock } from '../upstream/unblock.js'

/** How much is taken for granted of a session that should leave. */
export type Urgency = 'idle' | 'soon'

/** True if what is owed may never come: an answer to a blocking call, or whatever a relayed session hears. */
export function owesForEver(session: Session): boolean {
  return (
    session.ways.leaseReason === 'blocking' ||
    session.mode.current === 'relaying' ||
    session.anchor.blocks(session.ring)
  )
}

/**
 * True if a session can be ended behind the replies that it is owed, without breaking off anything that its application has begun. One that
 * is never idle could wait for that for ever: when it should leave soon, it takes no more commands and leaves behind the replies to those it has sent.
 */
export function mayLeave(session: Session, urgency: Urgency): boolean {
  if (session.isIdle || (session.subscribed && session.isQuiet)) return true
  const { mode, held, partial, anchor, ways } = session
  const begun = (mode.current !== 'open' && mode.current !== 'subscribed') || held !== null || partial
  return urgency === 'soon' && !begun && !anchor.exists && !owesForEver(session) && ways.lease === null
}

/** Has Redis end the blocking call that a session waits for, so that nothing is taken out for nobody. */
export function endBlocking({ ways, mode }: Session): void {
  const { lease, leaseRoute } = ways
  if (ways.leaseReason === 'blocking' && mode.current !== 'relaying' && lease !== null && leaseRoute !== null) {
    unblock(leaseRoute.endpoint, lease)
  }
}
