import type { ServerInfo } from '../upstream/handshake.js'
import type { Endpoint } from '../upstream/endpoint.js'

/** Tells sessions where their commands go. */
export interface Topology {
  /** All servers that commands may go to. */
  readonly endpoints: readonly Endpoint[]
  /** Those that take writes, in the order of the first slot that each serves. */
  readonly primaries: readonly Endpoint[]
  /** The first slot of each of them. */
  readonly firstSlots: readonly number[]
  /** Where commands without keys go. */
  readonly home: Endpoint
  /** What HELLO tells applications. */
  readonly info: ServerInfo
  /** True if keys are spread over servers by their hash slots. */
  readonly sharded: boolean
  /** Another number whenever commands may have to go elsewhere than before. */
  readonly version: number
  /** The primary that serves a slot; null if none is known to. */
  primaryOf(slot: number): Endpoint | null
  /** The replicas of that primary that are known to be of use, in a fixed order; with a negative number, those of all. */
  replicasOf(slot: number): readonly Endpoint[]
  /**
   * `from` has said MOVED: takes its word for the slot and finds out about the others.
   * @param address HOST:PORT as the server wrote it; an empty host stands for that of `from`
   */
  moved(slot: number, address: string, from: Endpoint): Endpoint | null
  /** The server that `from` has named in an ASK. */
  named(address: string, from: Endpoint): Endpoint | null
  /** Something that Redis said makes it doubtful that commands go where they should. */
  refresh(): void
}
