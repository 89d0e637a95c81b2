import type { CommandSpec } from '../commands/spec.js'
import type { PinReason } from '../metrics/recorder.js'
import { Request, type RequestOwner } from './request.js'
import { deadlineInTurn, type Frame, holdFor, ownFrame } from './send.js'
import type { Session } from './session.js'

/** Sees an answer of Redis before the application does, and says what the application gets: the same text, or another. */
export type Judge = (answer: string) => string

/** A command whose answer has to be known here. */
class AskedRequest extends Request {
  readonly #parts: Buffer[] = []

  constructor(
    owner: RequestOwner,
    spec: CommandSpec,
    since: number,
    deadline: number,
    readonly judge: Judge,
  ) {
    super(owner, spec, since, deadline)
  }

  override reply(buf: Buffer, start: number, end: number, last: boolean): void {
    this.#parts.push(Buffer.copyBytesFrom(buf, start, end - start))
    if (!last) return
    const answer = Buffer.from(this.judge(Buffer.concat(this.#parts).toString('latin1')), 'latin1')
    super.reply(answer, 0, answer.length, true)
  }
}

/** Sends a command, or what `request` makes of it, on the session's lease, after getting one if need be. Answers as dispatch does. */
export function askOnLease(
  session: Session,
  spec: CommandSpec,
  frame: Frame,
  reason: PinReason,
  request: (() => string) | null,
  judge: Judge,
): boolean {
  if (!session.ways.takeLease(spec, reason)) return false
  const { lease } = session
  if (lease === null) return true
  if (!lease.usable) return holdFor(session, lease)
  const { clock, limits } = session.context
  const deadline = deadlineInTurn(session, lease, limits.commandTimeout)
  const { buf, start, end } = request === null ? frame : ownFrame(request(), frame.argc)
  lease.send(session.register(new AskedRequest(session, spec, clock.now, deadline, judge)), buf, start, end)
  return true
}
