import { blockTime, withBlockTime } from '../commands/blocking.js'
import type { CommandSpec } from '../commands/spec.js'
import type { PinReason } from '../metrics/recorder.js'
import { Arguments } from '../resp/arguments.js'
import { command } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Use } from '../upstream/lease-use.js'
import { StepReply } from '../upstream/handshake.js'
import type { Request } from './request.js'
import type { Session } from './session.js'

/** A whole request frame, in canonical form. */
export interface Frame {
  buf: Buffer
  start: number
  end: number
  argc: number
  /** Where the bytes end that have come so far; behind `end` if more commands have. */
  inHand: number
  /** How many commands were taken: 1, unless dispatch took those behind it too, and moved `end` on. */
  commands: number
}

/** A command that did not come as these bytes. */
export function ownFrame(request: string, argc: number): Frame {
  const buf = Buffer.from(request, 'latin1')
  return { buf, start: 0, end: buf.length, argc, inHand: buf.length, commands: 1 }
}

/** Sends a command to where the session's commands go. */
export function forward(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (!route(session, spec)) return false
  const { connection } = session
  if (connection !== null) submit(session, connection, spec, frame, deadlineOn(session, connection))
  return true
}

/** Finds the session's connection; false: not now. True without one means that the command was answered with an error. */
export function route(session: Session, spec: CommandSpec): boolean {
  const { connection } = session
  if (connection !== null) return connection.usable || holdFor(session, connection)
  if (session.pooling === 'session') return routeOnLease(session, spec)
  const picked = session.window.large ? session.lane.pickApart() : session.lane.pick()
  session.route.connection = picked
  if (picked === null) return session.ways.awaitConnection(spec)
  session.ways.waitsUntil = 0
  return true
}

/** With session pooling all commands go to one lease, from the first one on. */
function routeOnLease(session: Session, spec: CommandSpec): boolean {
  if (!session.ways.takeLease(spec, 'session')) return false
  const { lease } = session
  return lease === null || lease.usable || holdFor(session, lease)
}

/** When a command that is sent now must be answered. */
export function deadlineOn(session: Session, connection: UpstreamConnection): number {
  const { clock, limits } = session.context
  if (connection !== session.lease) return clock.now + limits.commandTimeout
  return deadlineInTurn(session, connection, limits.commandTimeout)
}

function submit(
  session: Session,
  connection: UpstreamConnection,
  spec: CommandSpec,
  frame: Frame,
  deadline: number,
): void {
  const request = session.open(spec, deadline)
  request.argc = frame.argc
  post(session, connection, request, frame.buf, frame.start, frame.end)
}

/** Sends a request to where the command at hand goes, and keeps what it takes to send it again if that may be necessary. */
export function post(
  session: Session,
  connection: UpstreamConnection,
  request: Request,
  buf: Buffer,
  start: number,
  end: number,
): void {
  request.sent = end - start
  if (!session.context.keeps) return connection.send(request, buf, start, end)
  const { requests } = session.context
  const text = buf === requests.bytes ? requests.text(start, end) : buf.toString('latin1', start, end)
  const use = connection === session.lease ? leaseUse(session, request.spec) : null
  if (use !== undefined) {
    request.kept = { text, slot: session.slot, use, hops: 0 }
    session.keptBytes += text.length
  }
  connection.sendKept(request, text)
}

/**
 * What a command has the lease for, if it could be sent again on another, or null if it only comes behind something that needed it; undefined
 * if it depends on what the lease has seen before.
 */
function leaseUse({ mode, ways }: Session, spec: CommandSpec): Use | null | undefined {
  // At another server it would wait for the wrong writes.
  if (COUNTS_OWN_WRITES.includes(spec.name)) return undefined
  if (mode.current === 'watching' || spec.name === 'watch') return spec.name === 'multi' ? undefined : 'brief'
  if (mode.current !== 'open') return undefined
  return ways.leaseReason === 'blocking' ? 'blocking' : PASSING.includes(ways.leaseReason!) ? null : undefined
}

/** Reasons that end with what they were for. */
const PASSING: readonly PinReason[] = ['watch', 'multi', 'large']

/** Its connection takes nothing now: because it is full, or on its way out and first has to answer what it was sent. */
export function holdFor(session: Session, connection: UpstreamConnection): false {
  return session.hold(connection === session.lease && connection.congested ? 'congested' : 'drained')
}

export function submitInTurn(
  session: Session,
  lease: UpstreamConnection,
  spec: CommandSpec,
  frame: Frame,
  limit: number,
): void {
  submit(session, lease, spec, frame, deadlineInTurn(session, lease, limit))
}

/** On a lease a command may stand behind one that blocks: its own time begins when that one's is over. */
export function deadlineInTurn(session: Session, lease: UpstreamConnection, limit: number): number {
  const before = lease.inflight.at(lease.inflight.length - 1)?.deadline ?? 0
  return Math.max(session.context.clock.now, before) + limit
}

/** The limit of a blocking call is its own time and the usual limit on top; none for 0, nor for a time that Redis has to judge. */
export function submitBlocking(
  session: Session,
  lease: UpstreamConnection,
  spec: CommandSpec,
  frame: Frame,
  time: number,
): boolean {
  if (!lease.usable) return holdFor(session, lease)
  const { blockTime: longest, commandTimeout } = session.context.limits
  if (longest > 0 && (time === 0 || time > longest)) {
    const args = new Arguments(frame.buf, frame.start, frame.end)
    return submitBlocking(
      session,
      lease,
      spec,
      ownFrame(command(...withBlockTime(spec, args, longest)), args.count),
      longest,
    )
  }
  if (COUNTS_OWN_WRITES.includes(spec.name)) touch(session, lease)
  submitInTurn(session, lease, spec, frame, time > 0 ? time + commandTimeout : Infinity)
  return true
}

/** These wait for what their own connection has written, and the session wrote on another one. */
const COUNTS_OWN_WRITES = ['wait', 'waitaof']

/** Any command brings its connection up to date with all writes so far: Redis notes the replication offset after each. */
function touch(session: Session, lease: UpstreamConnection): void {
  const { clock, limits } = session.context
  lease.sendText(new StepReply(clock.now, clock.now + limits.commandTimeout, () => {}), PING)
}

const PING = command('PING')

/** How long a command may block its connection, as `blockTime` has it. */
export function blockTimeOf(spec: CommandSpec, { buf, start, end }: Frame): number {
  return blockTime(spec, new Arguments(buf, start, end))
}
