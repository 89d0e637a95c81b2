import type { UpstreamConnection } from './connection.js'
import type { Lane } from './lane.js'

/** What an endpoint knows of one of its connections. */
export interface Membership {
  readonly lane: Lane
  readonly pinned: boolean
  /** True from the end of the handshake on. */
  ready: boolean
  /** The connection's id in Redis's CLIENT LIST. */
  clientId: number
}

/** The connections of an endpoint. */
export class Members extends Map<UpstreamConnection, Membership> {
  get anyReady(): boolean {
    for (const member of this.values()) if (member.ready) return true
    return false
  }

  /** True if no session holds it: shared, or a lease that nobody has. */
  isFree(connection: UpstreamConnection): boolean {
    const member = this.get(connection)
    return member !== undefined && (!member.pinned || member.lane.idleLeases.includes(connection))
  }

  /** Another server takes their place: what is on its way is still answered, leases are lost. */
  abandon(): void {
    for (const [connection, { pinned, ready }] of [...this]) {
      if (pinned || !ready) connection.close('moved', '')
      else connection.drain('moved')
    }
  }

  /** Nobody gets one of them any more. Those who have sent something, or have a lease, still may hear of it. */
  distrust(): void {
    for (const [connection, { ready }] of [...this]) if (ready && this.isFree(connection)) connection.drain('timeout')
  }

  /** All leave when they have answered what they were sent; a lease on which nothing is on its way is lost at once. */
  retire(): void {
    for (const [connection, { ready }] of [...this]) {
      const awaited = connection.inflight.length > 0 || this.isFree(connection)
      if (ready && awaited) connection.drain('moved')
      else connection.close('moved', '')
    }
  }
}
