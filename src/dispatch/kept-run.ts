import type { CommandSpec } from '../commands/spec.js'
import { ERROR_FRAMES } from '../errors.js'
import { MINUS } from '../resp/bytes.js'
import { OK, QUEUED } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { StepReply } from '../upstream/handshake.js'
import type { Loss, Pending } from '../upstream/pending.js'
import type { Kept, Repeatable } from './again.js'
import { refusalOf } from './refusals.js'
import { Request } from './request.js'
import { Route } from './route.js'
import { RunEnd } from './run-end.js'
import { loadForRun } from './scripts/queued.js'
import type { Frame } from './send.js'
import type { Session } from './session.js'

/** A command of a run, somewhere in a buffer. */
export interface Step {
  readonly spec: CommandSpec
  /** The row of the command itself, where its container's rules. */
  readonly row: CommandSpec
  readonly start: number
  readonly end: number
  readonly argc: number
}

/**
 * A run of MULTI … EXEC that can be sent again as a whole.
 *
 *     MULTI   SET …    INCR …   EXEC
 *     +OK     -MOVED   +QUEUED  -EXECABORT  ──► all of it again, at another server
 *       └ goes out        └ kept until EXEC is answered
 *
 * Invariant: from the first refusal on no reply of the run goes out before it is known whether it is sent again. Redis has executed nothing
 * of a run whose EXEC it answered with an error, or never got.
 */
class KeptRun implements Repeatable {
  readonly members: Request[] = []
  readonly kept: Kept
  route: Route
  /** The first error that says that another server, or another time, is the right one. */
  #refusal: Buffer | null = null
  /** True once it is known that it is not sent again. */
  #settled = false
  /** Replies behind the refusal, by member. */
  #replies = new Map<Request, Buffer>()

  constructor(
    readonly session: Session,
    readonly spec: CommandSpec,
    readonly deadline: number,
    readonly end: RunEnd,
    text: string,
    readonly steps: readonly Step[],
  ) {
    this.kept = { text, slot: session.slot, use: null, hops: 0 }
    this.route = session.route
  }

  /** True if a member's reply is not to go out now. */
  holdsBack(member: Request, buf: Buffer, start: number, end: number, last: boolean): boolean {
    if (this.#settled) return false
    if (member === this.end) return this.#ended(buf, start, end, last)
    if (buf[start] === MINUS && refusalOf(buf, start, end) !== null) this.#refusal ??= copy(buf, start, end)
    if (this.#refusal === null) return false
    this.#replies.set(member, copy(buf, start, end))
    return true
  }

  /** EXEC is answered: true if all is sent again. */
  #ended(buf: Buffer, start: number, end: number, last: boolean): boolean {
    const isError = !this.end.begun && buf[start] === MINUS
    if (isError) {
      const refusal = this.#refusal ?? copy(buf, start, end)
      const replies = this.#replies
      this.#refusal = null
      this.#replies = new Map()
      if (refusalOf(refusal, 0, refusal.length) !== null) {
        if (this.session.refused(this, refusal, 0, refusal.length)) return true
        this.#settled = true
        for (const [member, reply] of replies) member.reply(reply, 0, reply.length, true)
      }
    }
    if (!last) return false
    this.route.answered(this.session.lease)
    if (!isError) this.session.executed(this)
    return false
  }

  /** The connection has lost a member; the members are lost in their order. True if nothing is to be said of it now. */
  holdsLoss(member: Request, loss: Loss): boolean {
    if (this.#settled) return false
    if (member !== this.end) return true
    this.#refusal = null
    this.#replies.clear()
    // Without EXEC nothing was executed, whatever was written before it.
    if (loss === 'notSent' && this.session.lost(this, loss)) return true
    this.#settled = true
    this.route.answered(this.session.lease)
    this.#answerUpToEnd(QUEUED)
    return false
  }

  movedTo(connection: UpstreamConnection): void {
    const bytes = Buffer.from(this.kept.text, 'latin1')
    loadForRun(this.session, this.route, connection, bytes, this.steps, this.deadline)
  }

  sendOn(connection: UpstreamConnection): void {
    this.end.connection = connection
    const { now } = this.session.context.clock
    const ignored = (): Pending => new StepReply(now, this.deadline, () => {})
    const pendings = this.members.map((member) => (member.done ? ignored() : member))
    connection.sendRun(pendings, this.kept.text)
  }

  giveUp(frame: string): void {
    this.#settled = true
    this.route.answered(this.session.lease)
    this.#answerUpToEnd(frame)
    this.end.giveUp(ERROR_FRAMES.execAborted)
  }

  /** Whatever has happened is told behind MULTI, as by a server: a library would not read on behind one that fails. */
  #answerUpToEnd(frame: string): void {
    const [multi] = this.members
    for (const member of this.members) {
      if (!member.done && member !== this.end) member.giveUp(member === multi ? OK : frame)
    }
  }
}

/** What a member of a run is besides being a request. */
function bind(member: Request, run: KeptRun): Request {
  // It is not by itself on its way to anywhere.
  member.route = new Route(run.route.endpoint, run.route.lane)
  member.run = run
  run.members.push(member)
  return run.session.register(member)
}

export function sendKeptRun(
  session: Session,
  connection: UpstreamConnection,
  multi: CommandSpec,
  frame: Frame,
  steps: readonly Step[],
  deadline: number,
): void {
  const { now } = session.context.clock
  const last = steps[steps.length - 1]
  const text = frame.buf.toString('latin1', frame.start, last.end)
  const own = steps.map((step) => ({ ...step, start: step.start - frame.start, end: step.end - frame.start }))
  const end = new RunEnd(session, last.spec, now, deadline, connection)
  const run = new KeptRun(session, multi, deadline, end, text, own)
  bind(new Request(session, multi, now, deadline), run)
  for (const { spec } of steps.slice(0, -1)) bind(new Request(session, spec, now, deadline), run)
  bind(end, run)
  run.route.inflight++
  run.sendOn(connection)
  frame.end = last.end
  frame.commands += steps.length
}

const copy = (buf: Buffer, start: number, end: number): Buffer => Buffer.copyBytesFrom(buf, start, end - start)
