import type { Session } from '../dispatch/session.js'

/** True if what is owed may never come: an answer to a blocking call, or whatever a relayed session hears. */
export function owesForEver(session: Session): boolean {
  return (
    session.ways.leaseReason === 'blocking' ||
    session.mode.current === 'relaying' ||
    session.anchor.blocks(session.ring)
  )
}
