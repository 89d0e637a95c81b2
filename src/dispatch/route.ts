import type { UpstreamConnection } from '../upstream/connection.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { Lane } from '../upstream/lane.js'

/** One session's way to one server. */
export class Route {
  /** The connection that has commands of the session in flight there, or that the session holds as its lease. */
  connection: UpstreamConnection | null = null
  /** Commands of the session that are owed an answer there. */
  inflight = 0

  constructor(
    readonly endpoint: Endpoint,
    readonly lane: Lane,
  ) {}

  /** An answer has come, or will not. With none owed the next command may take another connection, unless this one is a lease. */
  answered(lease: UpstreamConnection | null): void {
    if (--this.inflight === 0 && this.connection !== lease) this.connection = null
  }
}
