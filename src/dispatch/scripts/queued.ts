import type { CommandSpec } from '../../commands/spec.js'
import { command } from '../../resp/encode.js'
import { headerValue, readHeader } from '../../resp/header.js'
import type { UpstreamConnection } from '../../upstream/connection.js'
import { StepReply } from '../../upstream/handshake.js'
import { hasArity } from '../local/syntax.js'
import type { Route } from '../route.js'
import type { Session } from '../session.js'
import { load } from './load.js'
import type { Script } from './memory.js'
import { findCalled, rememberBody } from './read.js'

// Scripts in transactions. A load behind MULTI would be queued and answered with EXEC, so it goes in front of MULTI if that has not
// been sent, and else beside the transaction, which waits for it.

/** A command of a transaction, somewhere in a buffer. */
interface Queued {
  readonly spec: CommandSpec
  readonly start: number
  readonly end: number
}

/** Loads what the commands of a transaction may miss, on the connection to which they go next. */
export function loadForRun(
  session: Session,
  route: Route,
  connection: UpstreamConnection,
  buf: Buffer,
  commands: readonly Queued[],
  deadline: number,
): void {
  for (const queued of commands) {
    const script = queued.spec.handling === 'script' ? scriptOf(session, buf, queued) : null
    if (script !== null && !route.endpoint.scripts.has(script, connection)) {
      load(session, route, connection, script, deadline)
    }
  }
}

/** The same for a command whose MULTI has been sent on the lease, or that nothing may precede there. False means: not now. */
export function loadBeside(session: Session, lease: UpstreamConnection, buf: Buffer, queued: Queued): boolean {
  const script = scriptOf(session, buf, queued)
  const state = session.scripts
  const { awaited } = state
  state.awaited = null
  if (script === null || awaited === script || session.route.endpoint.scripts.has(script, lease)) return true
  const beside = session.route.endpoint.home.pick()
  // Without the load the transaction gets the error that a direct connection would get.
  if (beside === null) return true
  const { clock, limits } = session.context
  session.hold('script')
  load(session, session.route, beside, script, clock.now + limits.commandTimeout, () => {
    state.awaited = script
    if (session.held === 'script') session.unhold()
  })
  return false
}

/** To be called when EXEC or DISCARD has been sent: a SCRIPT FLUSH that was queued happens with EXEC and not before. */
export function noteEnd(session: Session, connection: UpstreamConnection): void {
  if (!session.scripts.flushes) return
  session.scripts.flushes = false
  const { clock, limits } = session.context
  const { scripts } = session.route.endpoint
  const forget = () => scripts.forget()
  forget()
  const answer = new StepReply(clock.now, clock.now + limits.commandTimeout, forget, forget)
  connection.sendText(answer, command('PING'))
}

/** The remembered script that a queued command calls; what it brings is remembered. */
function scriptOf(session: Session, buf: Buffer, queued: Queued): Script | null {
  const { spec, start, end } = queued
  const memory = session.context.scripts
  readHeader(buf, start + 1, end)
  if (!memory.enabled || !hasArity(spec, headerValue)) return null
  switch (spec.name) {
    case 'script|flush':
      session.scripts.flushes = true
      session.route.endpoint.scripts.forget()
      return null
    case 'evalsha':
    case 'evalsha_ro':
      return findCalled(memory, buf, start, end)
    default:
      rememberBody(memory, buf, start, end, spec.name === 'script|load' ? 2 : 1)
      return null
  }
}
