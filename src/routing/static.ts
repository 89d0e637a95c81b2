import type { ServerInfo } from '../upstream/handshake.js'
import type { Endpoint } from '../upstream/endpoint.js'
import { sweep } from '../upstream/maintenance.js'
import type { Topology } from './topology.js'

/** What is told as long as no Redis has been reached: clients only look at the version's first number. */
export const UNREACHED: ServerInfo = {
  server: 'redis',
  version: '7.0.0',
  mode: 'standalone',
  role: 'master',
  modules: [],
}

const NONE: readonly Endpoint[] = []

/** One Redis, given by its address. */
export class StaticTopology implements Topology {
  readonly primaries: readonly Endpoint[]
  readonly firstSlots = [0]
  readonly sharded = false
  readonly version: number = 0

  constructor(
    readonly home: Endpoint,
    readonly refresh: () => void,
  ) {
    this.primaries = [home]
  }

  get endpoints(): readonly Endpoint[] {
    return this.primaries
  }

  get info(): ServerInfo {
    return this.home.info ?? UNREACHED
  }

  primaryOf(): Endpoint {
    return this.home
  }

  replicasOf(): readonly Endpoint[] {
    return NONE
  }

  sweep(now: number): void {
    sweep(this.home, now)
  }

  stop(): void {
    this.home.stop()
  }

  moved(): null {
    return null
  }

  named(): null {
    return null
  }
}
