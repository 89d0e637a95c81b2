import { type CommandSpec, Flag } from '../commands/spec.js'
import type { PinReason } from '../metrics/recorder.js'
import { type ErrorCode, ERRORS } from '../errors.js'
import { command, error } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { carryOver } from './carry-over.js'
import type { Frame } from './send.js'
import type { Session } from './session.js'

/**
 * Ties a session to its lease for good. What subscriptions and MONITOR say comes unasked, and what a
 * command means may depend on it, so nothing can be paired any more and every byte is passed on as it is. The connection is not used again.
 */
export function startRelay(session: Session, lease: UpstreamConnection): void {
  session.mode.to('relaying')
  carryOver(session, lease)
  // Redis says nothing to these, so nothing has to be waited for.
  if (session.replyMode !== 'on') lease.sendPart(...whole(command('CLIENT', 'REPLY', session.replyMode)))
  lease.startRelay({
    bytes: (buf, start, end) => session.downstream.write(buf, start, end),
    lost: () => {
      // What Redis said last, such as its answer to QUIT, goes out first.
      if (!session.closed) session.downstream.finish()
    },
  })
}

function whole(text: string): [buf: Buffer, start: number, end: number] {
  return [Buffer.from(text, 'latin1'), 0, text.length]
}

/** Why a command that is relayed needs a connection of its own. */
export function reasonOf(spec: CommandSpec): PinReason {
  if (spec.name === 'monitor') return 'monitor'
  return (spec.flags & Flag.pubsub) !== 0 ? 'subscribe' : 'session'
}

/** Gives the session its lease for good: from this command on every byte goes through. */
export function relay(session: Session, spec: CommandSpec, frame: Frame, reason: PinReason): boolean {
  if (session.subscribed && session.protocol === 2) return keepsSubscriptions(session, spec, 'subscribedElsewhere')
  if (isSpread(session)) return keepsSubscriptions(session, spec, 'refusedOnCluster')
  if (!session.ways.takeLease(spec, reason)) return false
  const lease = session.lease
  if (lease === null) return true
  if (session.replyMode !== 'on' && session.mode.current === 'queueing') {
    // Redis would queue the order to be silent, and answer what follows.
    session.downstream.destroy('silent transaction')
    return true
  }
  if (session.ring.length > 0) return session.hold('drained')
  if (session.mode.current !== 'queueing') session.ways.nameLease()
  startRelay(session, lease)
  return relayBytes(session, frame.buf, frame.start, frame.end)
}

/** True if it hears shard channels, which no one node of a cluster has all of. */
function isSpread({ subscriber, context }: Session): boolean {
  return context.topology.sharded && subscriber !== null && subscriber.names.shard.size > 0
}

function keepsSubscriptions(session: Session, spec: CommandSpec, code: ErrorCode): true {
  session.noteRefusal(spec, code)
  // Who does not hear of it would wait for messages.
  if (session.replyMode === 'on') session.answer(spec, error(ERRORS[code].text.replace('%', spec.name)), true)
  else session.downstream.destroy('silent refusal')
  return true
}

/** Passes on whatever a relayed session says, commands or not: Redis itself is the judge of it. False means: not now. */
export function relayBytes(session: Session, buf: Buffer, start: number, end: number): boolean {
  const lease = session.lease!
  if (lease.congested) return session.hold('congested')
  lease.sendPart(buf, start, end)
  return true
}
