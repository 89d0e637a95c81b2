import { type CommandSpec, type Handling, resolve, rulingOf } from '../commands/spec.js'
import { Arguments } from '../resp/arguments.js'
import { Scan } from '../resp/request-scanner.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { isHarmless } from './local/local.js'
import { sendKeptRun, type Step } from './kept-run.js'
import { noteRunWrites } from './near/writes.js'
import { RunEnd } from './run-end.js'
import { loadForRun, noteEnd } from './scripts/queued.js'
import { type Frame, forward, route } from './send.js'
import { noteRun } from './guarded/run.js'
import type { Session } from './session.js'

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

/** The commands behind a MULTI up to its EXEC; null if they are not all in hand, or do more than wait in Redis's queue, or one is to be denied. */
export function readRun({ context, guard }: Session, frame: Frame): Step[] | null {
  const { table, lookahead } = context
  const { buf, inHand } = frame
  const steps: Step[] = []
  lookahead.reset()
  for (let start = frame.end; start < inHand; start = lookahead.pos) {
    if (lookahead.scan(buf, start, start, inHand) !== Scan.command || !lookahead.canonical) return null
    const end = lookahead.pos
    const name = start + lookahead.nameOffset
    const known = table.lookup(buf, name, name + lookahead.nameLength)
    if (known === undefined) return null
    const row = known.subcommands === null ? known : resolve(known, new Arguments(buf, start, end))
    const spec = rulingOf(known, row)
    const step = { spec, row, start, end, argc: lookahead.argc }
    if (!onlyWaits(spec) || (guard.denies && guard.refuses(row, { buf, ...step }, true) !== null)) return null
    steps.push(step)
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
  loadForRun(session, session.route, connection, frame.buf, steps, deadline)
  if (session.context.keeps) sendKeptRun(session, connection, multi, frame, steps, deadline)
  else sendSteps(session, connection, multi, frame, steps, deadline)
  noteEnd(session, connection)
  noteRun(session, frame.buf, steps)
  if (session.context.near !== null) noteRunWrites(session, frame.buf, steps)
  return true
}

function sendSteps(
  session: Session,
  connection: UpstreamConnection,
  multi: CommandSpec,
  frame: Frame,
  steps: readonly Step[],
  deadline: number,
): void {
  const { now } = session.context.clock
  forward(session, multi, frame)
  for (const { spec, start, end, argc } of steps) {
    const isLast = spec.name === 'exec'
    const request = isLast
      ? session.register(new RunEnd(session, spec, now, deadline, connection))
      : session.open(spec, deadline)
    request.argc = argc
    request.sent = end - start
    connection.send(request, frame.buf, start, end)
    frame.end = end
  }
  frame.commands += steps.length
}
