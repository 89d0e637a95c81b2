import type { CommandSpec } from '../../commands/spec.js'
import type { UpstreamConnection } from '../../upstream/connection.js'
import { hasArity } from '../local/syntax.js'
import { Request } from '../request.js'
import { deadlineOn, forward, type Frame, post, route } from '../send.js'
import type { Endpoint } from '../../upstream/endpoint.js'
import type { Session } from '../session.js'
import { Call, NotedRequest } from './calls.js'
import { load } from './load.js'
import type { Script } from './memory.js'
import { loadBeside } from './queued.js'
import { findCalled, rememberBody } from './read.js'

// EVALSHA finds the scripts that were seen before, also after a restart, a failover or a flush: the body is loaded ahead of it, on the
// same connection, unless Redis certainly has it. So the order of commands stays, and nothing has to wait.

/** Sends a command that brings, calls or flushes scripts. */
export function dispatchScript(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (!session.context.scripts.enabled || !hasArity(spec, frame.argc)) return forward(session, spec, frame)
  if (!route(session, spec)) return false
  const { connection } = session
  if (connection === null) return true // answered with an error
  if (countsCommands(session) && calls(spec)) {
    const { buf, start, end } = frame
    if (!loadBeside(session, connection, buf, { spec, start, end })) return false
  }
  const deadline = deadlineOn(session, connection)
  const request = requestFor(session, spec, frame, connection, deadline)
  post(session, connection, session.register(request), frame.buf, frame.start, frame.end)
  return true
}

/** Takes note of a command that goes to several servers as it is. */
export function noteSpread(
  session: Session,
  spec: CommandSpec,
  buf: Buffer,
  start: number,
  end: number,
  servers: readonly Endpoint[],
): void {
  const memory = session.context.scripts
  if (!memory.enabled) return
  if (spec.name === 'script|load') rememberBody(memory, buf, start, end, 2)
  // Whatever comes of it: loading once more does no harm.
  if (spec.name === 'script|flush') for (const { scripts } of servers) scripts.forget()
}

/** CLIENT CACHING holds for the next command of the connection, which must not be one of respool's own. */
const countsCommands = (session: Session): boolean => session.anchor.bonds !== 0

const calls = (spec: CommandSpec): boolean => spec.name === 'evalsha' || spec.name === 'evalsha_ro'

function requestFor(
  session: Session,
  spec: CommandSpec,
  frame: Frame,
  connection: UpstreamConnection,
  deadline: number,
): Request {
  const { buf, start, end } = frame
  const memory = session.context.scripts
  const known = session.route.endpoint.scripts
  switch (spec.name) {
    case 'script|flush':
      // Before it is sent, and again when it has been executed: what was loaded between the two may be gone.
      known.forget()
      return new NotedRequest(session, spec, deadline, () => known.forget())
    case 'script|load': {
      const script = rememberBody(memory, buf, start, end, 2)
      if (script === null) break
      const era = known.sent(script, connection)
      const noted = (failed: boolean) => known.answered(script, connection, era, failed ? '' : null)
      return new NotedRequest(session, spec, deadline, noted)
    }
    case 'evalsha':
    case 'evalsha_ro': {
      const script = findCalled(memory, buf, start, end)
      if (script === null || countsCommands(session)) break
      return call(session, spec, frame, connection, deadline, script)
    }
    default:
      rememberBody(memory, buf, start, end, 1)
  }
  return new Request(session, spec, session.context.clock.now, deadline)
}

function call(
  session: Session,
  spec: CommandSpec,
  { buf, start, end, inHand }: Frame,
  connection: UpstreamConnection,
  deadline: number,
  script: Script,
): Request {
  const { route } = session
  if (!route.endpoint.scripts.has(script, connection)) load(session, route, connection, script, deadline)
  // With more in hand it will not be the session's last command.
  const bytes = end < inHand ? null : Buffer.copyBytesFrom(buf, start, end - start)
  const request = new Call(session, spec, deadline, connection, script, bytes)
  session.scripts.newest?.forget()
  session.scripts.newest = request
  return request
}
