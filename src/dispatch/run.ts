import { type CommandSpec, type Handling, ruling } from '../commands/spec.js'
import { Arguments } from '../resp/arguments.js'
import { MINUS } from '../resp/bytes.js'
import { Scan } from '../resp/request-scanner.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { isHarmless } from './local/local.js'
import { Request, type RequestOwner } from './request.js'
import { loadForRun, noteEnd } from './scripts/queued.js'
import { type Frame, forward, route } from './send.js'
import type { Session, SessionContext } from './session.js'

/**
 * A transaction that is wholly in hand needs no connection of its own:
 *
 *     read:    … GET | MULTI | SET | INCR | EXEC | GET …
 *                      └──────── run ─────────┘
 *     shared:  … A's run | B's command | C's run …
 *
 * Invariant: a run is put on a shared connection within one call, so nothing can come between, and the connection is out of
 * MULTI again before it reads the next session's command.
 */
interface Step {
  readonly spec: CommandSpec
  readonly start: number
  readonly end: number
  readonly argc: number
}

/** The commands behind a MULTI up to its EXEC; null if they are not all in hand, or do more than wait in Redis's queue. */
export function readRun({ table, lookahead }: SessionContext, frame: Frame): Step[] | null {
  const { buf, inHand } = frame
  const steps: Step[] = []
  lookahead.reset()
  for (let start = frame.end; start < inHand; start = lookahead.pos) {
    if (lookahead.scan(buf, start, start, inHand) !== Scan.command || !lookahead.canonical) return null
    const end = lookahead.pos
    const name = start + lookahead.nameOffset
    const known = table.lookup(buf, name, name + lookahead.nameLength)
    if (known === undefined) return null
    const spec = known.subcommands === null ? known : ruling(known, new Arguments(buf, start, end))
    if (!onlyWaits(spec)) return null
    steps.push({ spec, start, end, argc: lookahead.argc })
    if (spec.name === 'exec') return steps
  }
  return null
}

const ALONE: readonly Handling[] = ['relay', 'subscribe', 'refuse']

/** True unless it changes what the connection is to its next user, or ends the transaction in a way that may fail. */
function onlyWaits(spec: CommandSpec): boolean {
  if (spec.handling === 'local') return isHarmless(spec)
  return !ALONE.includes(spec.handling) && spec.name !== 'discard'
}

/** Sends MULTI, which is at hand, and what follows. Answers as dispatch does. */
export function sendRun(session: Session, multi: CommandSpec, frame: Frame, steps: readonly Step[]): boolean {
  if (session.ring.length + steps.length >= session.window.size) return session.hold('outstanding')
  if (!route(session, multi)) return false
  const { connection } = session
  if (connection === null) return true // answered with an error
  const { clock, limits } = session.context
  const deadline = clock.now + limits.commandTimeout
  loadForRun(session, connection, frame.buf, steps, deadline)
  forward(session, multi, frame)
  for (const { spec, start, end } of steps) {
    const isLast = spec.name === 'exec'
    const request = isLast
      ? session.register(new RunEnd(session, spec, clock.now, deadline, connection))
      : session.open(spec, deadline)
    connection.send(request, frame.buf, start, end)
    frame.end = end
  }
  noteEnd(session, connection)
  frame.commands += steps.length
  return true
}

/**
 * How the errors begin with which Redis answers an EXEC that ended its transaction, or had none: its own, and in a cluster those of
 * routing. Without a transaction to end there is none left either.
 */
const ENDS = /^-(EXECABORT|ERR EXEC without MULTI|MOVED|ASK|CROSSSLOT|CLUSTERDOWN|TRYAGAIN)/
const LONGEST_END = 24

/** The EXEC of a run. */
class RunEnd extends Request {
  constructor(
    session: RequestOwner,
    spec: CommandSpec,
    since: number,
    deadline: number,
    readonly connection: UpstreamConnection,
  ) {
    super(session, spec, since, deadline)
  }

  override reply(buf: Buffer, start: number, end: number, last: boolean): void {
    const begins = !this.begun
    super.reply(buf, start, end, last)
    if (begins && this.failed) this.#check(buf, start, end)
  }

  /** The session has gone, but those who share the connection have not. */
  late(buf: Buffer, start: number, end: number): void {
    if (buf[start] === MINUS) this.#check(buf, start, end)
  }

  /**
   * An EXEC may have failed and the transaction go on, as when it has been renamed. Redis still queues, and what the next sessions
   * sent would be answered with QUEUED: none of their answers has been read yet, and none will be.
   */
  #check(buf: Buffer, start: number, end: number): void {
    const text = buf.toString('latin1', start, Math.min(end, start + LONGEST_END))
    if (!ENDS.test(text)) this.connection.close('fault', 'EXEC did not end the transaction')
  }
}
