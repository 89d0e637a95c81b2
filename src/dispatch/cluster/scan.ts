import type { CommandSpec } from '../../commands/spec.js'
import { ERROR_FRAMES } from '../../errors.js'
import type { Recorder } from '../../metrics/recorder.js'
import { Arguments } from '../../resp/arguments.js'
import type { Alteration } from '../request.js'
import { forward, type Frame, ownFrame } from '../send.js'
import type { Session } from '../session.js'
import { scanPlace, scanReply, scanRequest } from '../spread/scan.js'

/** Puts the cursor of all servers in the place of one server's. */
class ScanCursor implements Alteration {
  constructor(
    readonly slot: number,
    readonly firstSlots: readonly number[],
    readonly recorder: Recorder,
  ) {}

  alter(frame: Buffer): string {
    const reply = scanReply(frame, this.slot, this.firstSlots)
    if (typeof reply !== 'string') return reply.toString('latin1')
    this.recorder.error(reply)
    return ERROR_FRAMES[reply]
  }
}

/** SCAN at the server that its cursor leads to. `go` takes the session there; answers as `findServer` does. */
export function scan(session: Session, spec: CommandSpec, frame: Frame, go: (slot: number) => boolean | null): boolean {
  const args = new Arguments(frame.buf, frame.start, frame.end)
  const { firstSlots } = session.context.topology
  const place = scanPlace(args.text(1), firstSlots)
  if (typeof place === 'string') {
    session.answerError(spec, place)
    return true
  }
  const gone = go(place.slot)
  if (gone !== null) return gone
  const before = session.ring.length
  const done = forward(session, spec, ownFrame(scanRequest(args, place), args.count))
  // It may have been answered at once, for want of a connection.
  const newest = session.ring.at(session.ring.length - 1)
  if (done && session.ring.length > before && newest?.done === false)
    newest.alteration = new ScanCursor(place.slot, firstSlots, session.context.recorder)
  return done
}
