import type { Arguments } from '../../resp/arguments.js'
import { array, bulk, command, integer, map, OK, set } from '../../resp/encode.js'
import { Bond, Bound } from '../anchor.js'
import { reserve, reservedOf } from '../reserve.js'
import type { Session } from '../session.js'
import { asked, code, DRAIN, failure, FORWARD, HOLD, type Outcome, reply } from './outcome.js'
import { NOBODY, parseInteger } from './syntax.js'

// CLIENT TRACKING (https://redis.io/docs/latest/commands/client-tracking/) and what asks about it. Redis tracks what a connection
// reads, so a session that tracks has one to itself; ids of clients are translated on the way there and back.

/** CLIENT TRACKING ON or OFF, and whatever else Redis has to judge. */
export function tracking(session: Session, args: Arguments): Outcome {
  const off = args.lower(2) === 'off'
  if (off && args.count === 3 && session.anchor.tracking === null) return session.inflight > 0 ? DRAIN : reply(OK)
  for (const i of redirects(args)) {
    const target = targetOf(session, args.text(i))
    if (target === null || target === session || reservedOf(target) !== null) continue
    // For Redis it would not be subscribed, and hear nothing.
    if (target.protocol === 2 && target.subscribed) return code('redirectSubscribed')
    const outcome = reserveFor(session, target)
    if (outcome !== null) return outcome
  }
  return asked(
    'tracking',
    () => translated(session, args),
    (answer) => {
      if (answer === OK) turn(session, args, !off)
      return answer
    },
  )
}

/** Where the values of REDIRECT stand. */
function redirects(args: Arguments): number[] {
  const found: number[] = []
  for (let i = 3; i + 1 < args.count; i++) {
    const option = args.lower(i)
    if (option !== 'redirect' && option !== 'prefix') continue
    i++
    if (option === 'redirect') found.push(i)
  }
  return found
}

/** One that has not logged in, or as somebody else, would get a connection that is not its own. */
function targetOf({ context }: Session, text: string): Session | null {
  const id = parseInteger(text)
  const target = id === null ? undefined : context.registry.get(id)
  if (target === undefined || target.mode.current === 'locked') return null
  return target.context.topology === context.topology ? target : null
}

/** Null if the target has got its connection. */
function reserveFor(session: Session, target: Session): Outcome | null {
  const { refusal } = session.ways
  session.ways.refusal = null
  if (refusal !== null) return code(refusal)
  const got = reserve(target, (refusal) => {
    session.ways.refusal = refusal
    if (session.held === 'learning') session.unhold()
  })
  if (got === null) return HOLD
  return typeof got === 'string' ? code(got) : null
}

/** The command with the ids that Redis knows the sessions' connections by; called with the session on its lease. */
function translated(session: Session, args: Arguments): string {
  const words = args.texts()
  for (const i of redirects(args)) {
    if (parseInteger(words[i]) === null) continue
    const target = targetOf(session, words[i])
    const connection = target === null ? null : reservedOf(target)
    words[i] = connection === null ? NOBODY : String(session.lane.endpoint.clientIdOf(connection))
  }
  session.lease!.pushes ??= new Bound(session)
  return command(...words)
}

function turn(session: Session, args: Arguments, on: boolean): void {
  session.anchor.bind(Bond.tracking, on)
  if (!on) {
    session.anchor.tracking = null
    return
  }
  session.ways.leaseReason = 'tracking'
  const at = redirects(args).at(-1)
  session.anchor.tracking = {
    broadcast: args.texts(3).some((word) => word.toLowerCase() === 'bcast'),
    redirect: at === undefined ? 0 : (parseInteger(args.text(at)) ?? 0),
  }
}

export function caching(session: Session): Outcome {
  if (session.anchor.tracking !== null) return FORWARD
  if (session.inflight > 0) return DRAIN
  return failure(
    'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
  )
}

export function trackingInfo(session: Session): Outcome {
  const { protocol } = session
  const { tracking } = session.anchor
  if (tracking !== null) {
    return asked('tracking', null, (answer) =>
      answer.replace(/redirect\r\n:[1-9]\d*\r\n/, `redirect\r\n${integer(tracking.redirect)}`),
    )
  }
  if (session.inflight > 0) return DRAIN
  return reply(
    map(protocol, [
      ['flags', set(protocol, [bulk('off')])],
      ['redirect', integer(-1)],
      ['prefixes', array([])],
    ]),
  )
}

export function getRedirect(session: Session): Outcome {
  const { tracking } = session.anchor
  if (session.inflight > 0) return DRAIN
  return reply(integer(tracking === null ? -1 : tracking.redirect))
}
