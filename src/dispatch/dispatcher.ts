import type { CommandSpec } from '../commands/spec.js'
import { dispatchOpen } from './open.js'
import { relayBytes } from './relay.js'
import { dispatchSubscribed } from './subscribed.js'
import { forward, type Frame } from './send.js'
import type { Mode } from './mode.js'
import type { Session } from './session.js'
import { dispatchDiscarding, dispatchQueueing, dispatchSpoilt, dispatchWatching } from './transaction.js'

/**
 * Decides what happens to one command, and does it. False means: not now. The caller keeps the command and all that
 * follows, and calls again after `Downstream.resume`.
 */
export function dispatch(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (session.mode.current === 'open' && spec.handling === 'forward') return forward(session, spec, frame)
  return BY_MODE[session.mode.current](session, spec, frame)
}

type Dispatch = (session: Session, spec: CommandSpec, frame: Frame) => boolean

const BY_MODE: Record<Mode, Dispatch> = {
  open: dispatchOpen,
  watching: dispatchWatching,
  queueing: dispatchQueueing,
  spoilt: dispatchSpoilt,
  discarding: dispatchDiscarding,
  subscribed: dispatchSubscribed,
  relaying: (session, _spec, { buf, start, end }) => relayBytes(session, buf, start, end),
  closed: () => true,
}
