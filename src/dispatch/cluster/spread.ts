import { type CommandSpec, Flag } from '../../commands/spec.js'
import type { Merge } from '../../commands/spread.js'
import { ERROR_FRAMES, type ErrorCode } from '../../errors.js'
import { Arguments } from '../../resp/arguments.js'
import type { UpstreamConnection } from '../../upstream/connection.js'
import type { Waiter } from '../../upstream/wait-queue.js'
import { recountAll } from '../publish.js'
import { serverFor } from '../reads/place.js'
import { Request } from '../request.js'
import { Route } from '../route.js'
import { lendScripts, rememberedOf } from '../scripts/exists.js'
import { noteSpread } from '../scripts/scripts.js'
import type { Frame } from '../send.js'
import type { Session } from '../session.js'
import { merge } from '../spread/merge.js'
import { type Part as Share, split } from '../spread/split.js'
import { Part, type Whole } from './part.js'

/**
 * A command that several servers carry out:
 *
 *     command ──► part ──► server ──► reply ──┐
 *            └──► part ──► server ──► reply ──┴──► one reply, in the command's place
 *
 * Parts are on their way at the same time, each with its own redirects.
 */
class SpreadRequest extends Request implements Whole {
  declare readonly session: Session
  /** Of each script that is asked for whether respool remembers it; null if none is asked for. */
  remembered: readonly boolean[] | null = null
  #replies: Buffer[] = []
  #missing: number
  #bytes = 0

  constructor(
    session: Session,
    spec: CommandSpec,
    deadline: number,
    readonly how: Merge,
    readonly shares: readonly Share[],
    parts: number,
  ) {
    super(session, spec, session.context.clock.now, deadline)
    // It is not itself on its way to anywhere.
    this.route = new Route(session.route.endpoint, session.route.lane)
    this.#missing = parts
  }

  override get apart(): boolean {
    return true
  }

  /** @param slot tells where the part goes, then and if it is sent again */
  send(nth: number, text: string, slot: number): void {
    const { session, spec, since, deadline } = this
    const endpoint = serverFor(session, spec, slot, false)
    const route = session.ways.to(endpoint ?? session.context.topology.home)
    if ((spec.flags & Flag.write) !== 0) session.written = route.endpoint
    const part = new Part(this, nth, spec, { text, slot, use: null, hops: 0 }, route, since, deadline)
    if (endpoint === null && session.reads?.leadsToReplica(spec, slot) === true) return this.#sendNowhere(part)
    // XREAD is taken apart only if it does not wait.
    if (spec.handling === 'block') return this.#sendAlone(part, route)
    const free = route.connection ?? route.lane.pick()
    route.inflight++
    if (free?.usable !== true) return session.postpone(part)
    route.connection = free
    free.sendKept(part, text)
  }

  /** Later: parts that are not sent yet are not missed yet. */
  #sendNowhere(part: Part): void {
    part.route.inflight++
    queueMicrotask(() => part.giveUp(ERROR_FRAMES.noReplica))
  }

  /** What ends a script must not stand behind it: it gets a connection of its own, which the session hears nothing of. */
  #sendAlone(part: Part, route: Route): void {
    const { clock, limits } = this.session.context
    const { endpoint, lane } = route
    route.inflight++
    const send = (lease: UpstreamConnection) => {
      part.onCame = () => endpoint.giveBack(lease, 'nothing')
      lease.sendKept(part, part.kept.text)
    }
    const waiter: Waiter = {
      deadline: clock.now + limits.leaseWait,
      queue: null,
      granted: (lease) => (lease === null ? part.giveUp(ERROR_FRAMES.notSent) : send(lease)),
      refused: (code) => part.giveUp(ERROR_FRAMES[code]),
    }
    const got = endpoint.lease(lane, waiter, 'brief')
    if (typeof got === 'string') waiter.refused(got)
    else if (got !== null) send(got)
  }

  grown(bytes: number): void {
    if (this.lost) return
    this.#bytes += bytes
    const fits = this.session.downstream.keeping.keeps(bytes)
    if (!fits || this.#bytes > this.session.context.limits.mergedBytes) this.#end('replyTooLarge')
  }

  came(nth: number, reply: Buffer): void {
    this.#replies[nth] = reply
    if (--this.#missing > 0 || this.lost) return
    const replies = this.remembered === null ? this.#replies : lendScripts(this.#replies, this.remembered)
    const whole = merge(this.how, replies, this.shares)
    if (typeof whole === 'string') return this.#end(whole)
    this.#forget()
    this.reply(whole, 0, whole.length, true)
  }

  #forget(): void {
    this.#replies = []
    this.session.downstream.keeping.keeps(-this.#bytes)
    this.#bytes = 0
  }

  /** What still comes is nobody's. */
  #end(code: ErrorCode): void {
    if (this.lost) return
    this.#forget()
    this.session.context.recorder.error(code)
    this.giveUp(ERROR_FRAMES[code])
  }
}

/** Sends a command to several servers if that is what becomes of it; false if not. */
export function spreadOut(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const { spread } = spec
  if (spread === null || spread.merge === null) return false
  if (spread.to === 'primaries') toPrimaries(session, spec, spread.merge, frame)
  else return toSlots(session, spec, spread.merge, new Arguments(frame.buf, frame.start, frame.end))
  return true
}

function toSlots(session: Session, spec: CommandSpec, how: Merge, args: Arguments): boolean {
  const shares = split(spec, args)
  if (shares === null) return false
  const request = begin(session, spec, how, shares, shares.length)
  shares.forEach(({ request: text, slot }, nth) => request.send(nth, text, slot))
  return true
}

function toPrimaries(session: Session, spec: CommandSpec, how: Merge, frame: Frame): void {
  const { buf, start, end } = frame
  const { primaries, firstSlots, endpoints } = session.context.topology
  const request = begin(session, spec, how, [], primaries.length)
  const text = buf.toString('latin1', start, end)
  noteSpread(session, spec, buf, start, end, endpoints)
  if (spec.name === 'script|exists')
    request.remembered = rememberedOf(session.context.scripts, new Arguments(buf, start, end))
  if (spec.handling === 'publish') recountAll(session, request, frame)
  firstSlots.forEach((slot, nth) => request.send(nth, text, slot))
}

function begin(
  session: Session,
  spec: CommandSpec,
  how: Merge,
  shares: readonly Share[],
  parts: number,
): SpreadRequest {
  const { clock, limits } = session.context
  const request = new SpreadRequest(session, spec, clock.now + limits.commandTimeout, how, shares, parts)
  session.register(request)
  return request
}
