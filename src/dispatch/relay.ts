import type { UpstreamConnection } from '../upstream/connection.js'
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
