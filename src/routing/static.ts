import type { Protocol } from '../resp/encode.js'
import type { ServerInfo } from '../upstream/handshake.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { Lane } from '../upstream/lane.js'

/** Tells sessions where their commands go. */
export interface Topology {
  readonly endpoints: readonly Endpoint[]
  /** What HELLO tells applications. */
  readonly info: ServerInfo
  lane(protocol: Protocol, database: number): Lane
  /** Something that Redis said makes it doubtful that commands go where they should. */
  refresh(): void
}

/** What is told as long as no Redis has been reached: clients only look at the version's first number. */
const UNREACHED: ServerInfo = { server: 'redis', version: '7.0.0', mode: 'standalone', role: 'master', modules: [] }

/** One Redis, given by its address or found by sentinels. */
export class StaticTopology implements Topology {
  readonly endpoints: readonly [Endpoint]

  constructor(
    endpoint: Endpoint,
    readonly refresh: () => void,
  ) {
    this.endpoints = [endpoint]
  }

  get info(): ServerInfo {
    return this.endpoints[0].info ?? UNREACHED
  }

  lane(protocol: Protocol, database: number): Lane {
    return this.endpoints[0].lane(protocol, database)
  }
}
