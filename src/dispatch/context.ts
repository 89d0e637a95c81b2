import type { ListenerRole, Place, Pooling, Reading, StandIn } from '../config/config.js'
import type { CommandTable } from '../commands/table.js'
import type { Guard } from '../guard/guard.js'
import type { Recorder } from '../metrics/recorder.js'
import type { ReadBuffer } from '../resp/read-buffer.js'
import type { RequestScanner } from '../resp/request-scanner.js'
import type { Reader } from '../cache/near-cache.js'
import type { Carriers } from '../routing/carriers.js'
import type { Topology } from '../routing/topology.js'
import type { TurnClock } from '../util/clock.js'
import type { EventLog } from '../util/log.js'
import type { Registry } from '../util/registry.js'
import type { Databases } from './databases.js'
import type { Door } from './door.js'
import type { Learner } from './learner.js'
import type { Permissions } from './permissions.js'
import type { ScriptMemory } from './scripts/memory.js'
import type { Spans } from './spans.js'

/** Everything that sessions (S) share. */
export interface DispatchContext<S extends { readonly id: number }> {
  readonly table: CommandTable
  readonly recorder: Recorder
  readonly clock: TurnClock
  readonly topology: Topology
  readonly carriers: Carriers
  readonly registry: Registry<S>
  readonly learner: Learner
  readonly databases: Databases
  readonly door: Door<S>
  /** What Redis lets the user do; null where that is respool's own user. */
  readonly permissions: Permissions | null
  readonly scripts: ScriptMemory
  /** `service` is what the primary is called where nobody has given a name. */
  readonly standIn: StandIn & { readonly service: string; readonly places: Places }
  /** What applications' commands are read into. */
  readonly requests: ReadBuffer
  /** For a look at what is in hand behind a command. */
  readonly lookahead: RequestScanner
  /** True if a copy of each command is kept until it is answered, as it may have to be sent again. */
  readonly keeps: boolean
  /** Replies that are kept; null if none are. */
  readonly near: Reader | null
  /** True if there is more to a plain command than to forward it: it is kept, or its reply may be, or may be no longer. */
  readonly attends: boolean
  /** Commands of all sessions that wait to be sent again. */
  readonly retrying: { count: number; most: number }
  readonly log: EventLog
  /** Null unless commands are traced. */
  readonly spans: Spans | null
  readonly limits: DispatchLimits
}

/** What its listener says of a session. */
export interface SessionOptions {
  readonly pooling: Pooling
  /** Where it tells applications to connect to; null for where they did. */
  readonly announce: Place | null
  /** Null if it only reads from primaries. */
  readonly reading: Reading | null
  readonly guard: Guard
}

/** Where applications can connect to, by what they find there; null for nowhere. Known from the moment on that respool listens. */
export type Places = Record<ListenerRole, Place | null>

/** Times in ms. */
export interface DispatchLimits {
  commandTimeout: number
  leaseWait: number
  /** Longest time for which a command may block; 0 = any. */
  blockTime: number
  /** Commands in flight per session at which it takes no more. */
  outstanding: number
  /** Bytes that the replies to the commands in flight of one session should stay under. */
  replyBytes: number
  /** Bytes of messages that may wait for the end of a reply. */
  subscriberBytes: number
  /** Bytes that the replies of several servers to one command may have. */
  mergedBytes: number
  /** The database that sessions start in. */
  database: number
}
