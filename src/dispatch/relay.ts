import type { CommandSpec } from '../commands/spec.js'
import type { PinReason } from '../metrics/recorder.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Frame } from './send.js'
import type { Session } from './session.js'

/**
 * Ties a session to its lease for good. Subscriptions, MONITOR, CLIENT REPLY and tracking make replies come unasked, or not
 * come at all, so nothing can be paired any more and every byte is passed on as it is. The connection is not used again.
 */
export function startRelay(session: Session, lease: UpstreamConnection): void {
  session.mode.to('relaying')
  lease.startRelay({
    bytes: (buf, start, end) => session.downstream.write(buf, start, end),
    lost: () => {
      // What Redis said last, such as its answer to QUIT, goes out first.
      if (!session.closed) session.downstream.finish()
    },
  })
}

/** Gives the session its lease for good: from this command on every byte goes through. */
export function relay(session: Session, spec: CommandSpec, frame: Frame, reason: PinReason): boolean {
  if (!session.takeLease(spec, reason)) return false
  const lease = session.lease
  if (lease === null) return true
  if (session.ring.length > 0) return session.hold('drained')
  if (session.mode.current !== 'queueing') session.nameLease()
  startRelay(session, lease)
  return relayBytes(session, frame.buf, frame.start, frame.end)
}

/** Passes on whatever a relayed session says, commands or not: Redis itself is the judge of it. False means: not now. */
export function relayBytes(session: Session, buf: Buffer, start: number, end: number): boolean {
  const lease = session.lease!
  if (lease.congested) return session.hold('congested')
  lease.sendPart(buf, start, end)
  return true
}
