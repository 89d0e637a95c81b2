import type { CommandSpec } from '../../commands/spec.js'
import type { Reservation } from '../../cache/store.js'
import type { NearCache } from '../../cache/near-cache.js'
import { command } from '../../resp/encode.js'
import type { Endpoint } from '../../upstream/endpoint.js'
import { StepReply } from '../../upstream/handshake.js'
import { Request } from '../request.js'
import { deadlineOn, type Frame, post, route } from '../send.js'
import type { Session } from '../session.js'

/** A read whose reply is to be kept, if it comes in one piece, from the server that was asked first, and is no error. */
class FetchRequest extends Request {
  constructor(
    session: Session,
    spec: CommandSpec,
    deadline: number,
    readonly server: Endpoint,
    readonly reservation: Reservation,
  ) {
    super(session, spec, session.context.clock.now, deadline)
  }

  override reply(buf: Buffer, start: number, end: number, last: boolean): void {
    const whole = last && !this.begun
    super.reply(buf, start, end, last)
    // Unless it was the answer it is sent again.
    if (!whole || !this.done || this.failed || this.route.endpoint !== this.server) return
    if (!this.reservation.voided) this.reservation.reply = buf.toString('latin1', start, end)
  }
}

/**
 * Sends a read, and behind it a question for its key's time to live: when both are answered the reply is kept. Answers as dispatch does.
 *
 *     GET k   ──► reply ──► reservation ─┐
 *     PTTL k  ──► time to live ──────────┴──► kept until then, counted from when it was asked
 *
 * The question belongs to the connection, not to the session, which may be gone before: so the reservation always comes to its end. What is
 * written between the two Redis tells, and the reservation is void.
 */
export function fetchReply(
  session: Session,
  spec: CommandSpec,
  frame: Frame,
  cache: NearCache,
  variant: string,
  key: string,
): boolean {
  if (!route(session, spec)) return false
  const { connection, context } = session
  if (connection === null) return true // answered with an error
  const { endpoint } = session.route
  const reservation = cache.hears(endpoint.name) ? cache.store.reserve(variant, key) : null
  const deadline = deadlineOn(session, connection)
  const { buf, start, end, argc } = frame
  const { now } = context.clock
  const request =
    reservation === null
      ? new Request(session, spec, now, deadline)
      : new FetchRequest(session, spec, deadline, endpoint, reservation)
  request.argc = argc
  cache.recorder.cacheMisses++
  post(session, connection, session.register(request), buf, start, end)
  if (reservation === null) return true
  const release = () => cache.store.release(reservation)
  const answered = (ttl: unknown) => (typeof ttl === 'number' ? cache.keep(reservation, now, ttl) : release())
  connection.sendText(new StepReply(now, deadline, answered, release), command('PTTL', key))
  return true
}
