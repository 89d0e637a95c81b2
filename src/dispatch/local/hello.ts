import type { Arguments } from '../../resp/arguments.js'
import { array, bulk, integer, map, OK, type Protocol, quoted } from '../../resp/encode.js'
import { ERRORS } from '../../errors.js'
import type { Session } from '../session.js'
import { code, DRAIN, failure, HOLD, type Outcome, reply } from './outcome.js'
import { isClientName, parseInteger } from './syntax.js'

/** HELLO [version [AUTH user password] [SETNAME name]], https://redis.io/docs/latest/commands/hello/ */
export function hello(session: Session, args: Arguments): Outcome {
  let protocol = session.protocol
  if (args.count > 1) {
    const version = parseInteger(args.text(1))
    if (version === null) return code('protocolNotInteger')
    if (version !== 2 && version !== 3) return code('noProtocol')
    protocol = version
  }
  if (protocol !== session.protocol && session.inflight > 0) return DRAIN
  const refusal = applyOptions(session, args)
  if (refusal !== null) return refusal
  if (session.mode.current === 'locked') return lockedOut(session)
  if (protocol !== session.protocol) session.changeLane(protocol, session.database)
  session.settleMode()
  return reply(describeServer(session, protocol))
}

/** Redis 7.2 has changed the words. */
function lockedOut(session: Session): Outcome {
  const told = session.context.door.knock(session)
  if (told !== 'noAuth') return code(told)
  return code(parseFloat(session.context.topology.info.version) < 7.2 ? 'noAuthHelloBefore72' : 'noAuthHello')
}

/** Applies the options one after the other: what comes before a bad one stands, as in Redis. */
function applyOptions(session: Session, args: Arguments): Outcome | null {
  for (let i = 2; i < args.count;) {
    const option = args.lower(i)
    const left = args.count - i - 1
    if (option === 'auth' && left >= 2) {
      const refusal = logIn(session, args.text(i + 1), args.text(i + 2))
      if (refusal !== null) return refusal
      i += 3
    } else if (option === 'setname' && left >= 1) {
      if (!isClientName(args.text(i + 1))) return code('clientNameInvalid')
      session.name = args.text(i + 1)
      i += 2
    } else {
      return failure(`ERR Syntax error in HELLO option '${quoted(args.text(i))}'`)
    }
  }
  return null
}

/** The map that HELLO answers with: what Redis said of itself last, with the session's own id. */
function describeServer(session: Session, protocol: Protocol): string {
  const info = session.context.topology.info
  return map(protocol, [
    ['server', bulk(info.server)],
    ['version', bulk(info.version)],
    ['proto', integer(protocol)],
    ['id', integer(session.id)],
    ['mode', bulk(info.mode)],
    ['role', bulk(session.reads?.onReplica === true ? 'replica' : info.role)],
    ['modules', array(info.modules.map((module) => moduleText(protocol, module)))],
  ])
}

/** A module's row as HELLO shows it: a map of its name, version, path and arguments. */
function moduleText(protocol: Protocol, module: unknown): string {
  const pairs: (readonly [string, string])[] = []
  if (Array.isArray(module)) {
    for (let i = 0; i + 1 < module.length; i += 2) pairs.push([String(module[i]), encodeValue(module[i + 1])])
  }
  return map(protocol, pairs)
}

function encodeValue(value: unknown): string {
  if (typeof value === 'number') return integer(value)
  return Array.isArray(value) ? array(value.map(encodeValue)) : bulk(String(value))
}

/** AUTH [user] password, https://redis.io/docs/latest/commands/auth/ */
export function auth(session: Session, args: Arguments): Outcome {
  if (args.count > 3) return failure(ERRORS.syntax.text)
  const user = args.count === 3 ? args.text(1) : null
  return logIn(session, user, args.text(args.count - 1)) ?? reply(OK)
}

/** Null if the session is in. */
function logIn(session: Session, user: string | null, password: string): Outcome | null {
  const verdict = session.context.door.admit(session, user, password)
  const { logins } = session.context.recorder
  switch (verdict.kind) {
    case 'in':
      logins.add('ok')
      return null
    case 'drain':
      return DRAIN
    case 'later':
      return HOLD
    case 'out':
      logins.add('refused')
      return code(verdict.code)
    case 'refused':
      logins.add('refused')
      return failure(verdict.text)
  }
}
