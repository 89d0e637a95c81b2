import type { Leftover } from '../upstream/lease-use.js'
import { StateMachine } from '../util/state-machine.js'

/**
 * What a session is in the middle of.
 *
 * - locked: it has to log in first
 * - open: every command finds its own way
 * - watching: keys are watched on the lease
 * - starting: between MULTI and the first command that tells at which node of a cluster the transaction is
 * - queueing: between MULTI and EXEC, on the lease
 * - spoilt: watching, but the lease was lost, so that the next transaction must fail
 * - discarding: between MULTI and EXEC of a transaction that must fail
 * - subscribed: in RESP2, with subscriptions; in RESP3 these change nothing else
 * - relaying: the lease is this session's for good, every byte goes through
 * - closed
 */
export type Mode =
  | 'locked'
  | 'open'
  | 'watching'
  | 'starting'
  | 'queueing'
  | 'spoilt'
  | 'discarding'
  | 'subscribed'
  | 'relaying'
  | 'closed'

const MOVES: Record<Mode, readonly Mode[]> = {
  locked: ['open', 'closed'],
  open: ['locked', 'watching', 'starting', 'queueing', 'discarding', 'subscribed', 'relaying', 'closed'],
  watching: ['open', 'queueing', 'spoilt', 'relaying', 'closed'],
  starting: ['open', 'queueing', 'discarding', 'closed'],
  queueing: ['open', 'discarding', 'relaying', 'closed'],
  spoilt: ['open', 'discarding', 'subscribed', 'relaying', 'closed'],
  discarding: ['open', 'closed'],
  subscribed: ['open', 'spoilt', 'closed'],
  relaying: ['open', 'closed'],
  closed: [],
}

/** The modes in which Redis keeps something on the lease that belongs to the session, and what. */
export const LEFT: Partial<Record<Mode, Leftover>> = { watching: 'watch', queueing: 'transaction', relaying: 'unknown' }

export const createMode = (): StateMachine<Mode> => new StateMachine<Mode>(MOVES, 'open')

/** Why a session takes no further commands for the moment. */
export type Hold =
  | 'connection'
  | 'lease'
  | 'drained'
  | 'congested'
  | 'outstanding'
  | 'learning'
  | 'script'
  | 'again'
  | 'moving'
  | 'paced'
