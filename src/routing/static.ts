import type { ServerInfo } from '../upstream/handshake.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { Topology } from './topology.js'

/** What is told as long as no Redis has been reached: clients only look at the version's first number. */
export const UNREACHED: ServerInfo = {
  server: 'redis',
  version: '7.0.0',
  mode: 'standalone',
  role: 'master',
  modules: [],
}

/** One Redis, given by its address or found by sentinels. */
export class StaticTopology implements Topology {
  readonly endpoints: readonly [Endpoint]
  readonly firstSlots = [0]
  readonly sharded = false
  readonly version = 0

  constructor(
    readonly home: Endpoint,
    readonly refresh: () => void,
  ) {
    this.endpoints = [home]
  }

  get primaries(): readonly Endpoint[] {
    return this.endpoints
  }

  get info(): ServerInfo {
    return this.home.info ?? UNREACHED
  }

  primaryOf(): Endpoint {
    return this.home
  }

  moved(): null {
    return null
  }

  named(): null {
    return null
  }
}
