import type { CommandSpec } from '../commands/spec.js'
import { COLON, STAR } from '../resp/bytes.js'
import { decode } from '../resp/decode.js'
import { array, bulk, integer } from '../resp/encode.js'
import { headerValue, readHeader } from '../resp/header.js'
import type { Carriers } from '../routing/carriers.js'
import type { Kind } from '../upstream/message.js'
import type { Alteration, Request } from './request.js'
import { forward, type Frame, post } from './send.js'
import type { Session } from './session.js'

/**
 * PUBLISH, SPUBLISH, PUBSUB NUMSUB and PUBSUB SHARDNUMSUB: the number of subscribers in the reply is put right, as for Redis all sessions
 * together are one. Not in a transaction or a script, whose replies are Redis's own.
 */
export function publish(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const { topics, link } = session.lane.endpoint.subscriptions
  if (topics.empty) return forward(session, spec, frame)
  const heard = session.lease === null && link.current?.usable === true && hearsItself(session, spec, frame)
  if (heard) {
    // Before the number or after it, as the server's version has it: on one connection Redis itself puts them in order.
    if (session.inflight > 0) return session.hold('drained')
    const { clock, limits } = session.context
    const request = session.open(spec, clock.now + limits.commandTimeout)
    recount(session, request, frame.buf, frame.start, frame.end)
    post(session, link.current, request, frame.buf, frame.start, frame.end)
    session.hold('drained')
    return true
  }
  const done = forward(session, spec, frame)
  if (done) recountLast(session, spec, frame)
  return done
}

/** Sees to it that the number is put right in the reply to a command that was just dispatched. */
export function recountLast(session: Session, spec: CommandSpec, { buf, start, end }: Frame): void {
  const newest = session.ring.at(session.ring.length - 1)
  // It may be another one, if the command was answered at once.
  if (newest?.spec === spec && !newest.done) recount(session, newest, buf, start, end)
}

/** The same for a request of which at least the first bytes are given. */
export function recount(session: Session, request: Request, buf: Buffer, start: number, end: number): void {
  if (session.lane.endpoint.subscriptions.topics.empty) return
  request.alteration = alterationFor(request.spec, session.context.carriers, buf, start, end)
}

/** The same for one that all servers are asked. */
export function recountAll(session: Session, request: Request, { buf, start, end }: Frame): void {
  request.alteration = alterationFor(request.spec, session.context.carriers, buf, start, end)
}

/** True if the session itself is sent the message. */
function hearsItself(session: Session, spec: CommandSpec, { buf, start, end }: Frame): boolean {
  if (!session.subscribed || spec.name.startsWith('pubsub')) return false
  const channel = readChannel(buf, start, end)
  return channel !== null && session.subscriber!.hears(kindOf(spec), channel)
}

function kindOf({ name }: CommandSpec): Kind {
  return name === 'spublish' || name === 'pubsub|shardnumsub' ? 'shard' : 'channel'
}

function alterationFor(
  spec: CommandSpec,
  carriers: Carriers,
  buf: Buffer,
  start: number,
  end: number,
): Alteration | null {
  if (spec.name.startsWith('pubsub')) return new SubscriberCounts(carriers, kindOf(spec))
  const channel = readChannel(buf, start, end)
  return channel === null ? null : new PublishCount(carriers, kindOf(spec), channel)
}

/** The first argument of a command, which may not have come whole. */
function readChannel(buf: Buffer, start: number, end: number): string | null {
  const name = readHeader(buf, readHeader(buf, start + 1, end) + 1, end)
  const channel = readHeader(buf, name + headerValue + 3, end)
  if (channel < 0 || channel + headerValue > end) return null
  return buf.toString('latin1', channel, channel + headerValue)
}

class PublishCount implements Alteration {
  constructor(
    readonly carriers: Carriers,
    readonly kind: Kind,
    readonly channel: string,
  ) {}

  alter(frame: Buffer): string | null {
    if (frame[0] !== COLON) return null
    const { topics } = this.carriers.of(this.kind, this.channel)
    return integer(topics.recount(Number(decode(frame, 0)), this.kind, this.channel, true))
  }
}

class SubscriberCounts implements Alteration {
  constructor(
    readonly carriers: Carriers,
    readonly kind: Kind,
  ) {}

  alter(frame: Buffer): string | null {
    const value = frame[0] === STAR ? decode(frame, 0) : null
    if (!Array.isArray(value)) return null
    const parts: string[] = []
    for (let i = 0; i + 1 < value.length; i += 2) {
      const channel = String(value[i])
      const { topics } = this.carriers.of(this.kind, channel)
      parts.push(bulk(channel), integer(topics.recount(Number(value[i + 1]), this.kind, channel, false)))
    }
    return array(parts)
  }
}
