import type { Address, Config, Level } from '../config/config.js'
import type { Arrival } from '../downstream/context.js'

// What the primary process and its workers say to each other.

/** Where the primary listens for the listeners of a configuration, by the addresses that it has for them. */
export type Bound = ReadonlyMap<string, Address>

/** The questions of the admin server that every worker answers for itself. */
export const QUESTIONS = ['metrics', 'stats', 'vitals', 'topology', 'clients', 'slowlog', 'hotkeys', 'audit'] as const
export type Question = (typeof QUESTIONS)[number]

export interface Begin {
  readonly config: Config
  readonly bound: Bound
  readonly worker: number
  /** The id of its first session. */
  readonly firstId: number
  readonly level: Level
}

export type ToWorker =
  /** The first one. */
  | ({ kind: 'begin' } & Begin)
  /** With a socket: an application. What the arrival is without, it has just been let in. */
  | { kind: 'connection'; at: string; arrival: Arrival | null }
  | { kind: 'ask'; id: number; question: Question; most?: number | undefined }
  /** Answered when all that can fail about another configuration is over; then it is told which of the two. */
  | { kind: 'prepare'; id: number; config: Config; bound: Bound }
  | { kind: 'commit' }
  | { kind: 'cancel' }
  | { kind: 'level'; level: Level }
  /** Ends in an orderly way. */
  | { kind: 'stop'; notice?: number }
  /** Ends too; `moves` if a successor takes connections. */
  | { kind: 'leave'; moves: boolean }

export interface WorkerState {
  readonly ready: boolean
  readonly reasons: string[]
  readonly started: boolean
  /** Applications, and how many connections it was given so far. */
  readonly connections: number
  readonly given: number
}

export type FromWorker =
  | { kind: 'state'; state: WorkerState }
  | { kind: 'answer'; id: number; value?: unknown; error?: string }
  /** It takes no more connections. */
  | { kind: 'closed' }
  /** It could not start. */
  | { kind: 'failed'; error: string }
  /** With a socket: an application that moves to the successor. */
  | { kind: 'connection'; at: string; arrival: Arrival }
