import type { CommandSpec } from '../../commands/spec.js'
import type { Arguments } from '../../resp/arguments.js'
import { bulk, command, integer, nullReply, OK, quoted, verbatim } from '../../resp/encode.js'
import { Bond } from '../anchor.js'
import type { Session } from '../session.js'
import { describeClient } from './client-line.js'
import { clientKill, clientList } from './client-list.js'
import { asked, code, DRAIN, failure, FORWARD, NONE, type Outcome, reply } from './outcome.js'
import { caching, getRedirect, tracking, trackingInfo } from './tracking.js'
import { hasArity, isClientName, parseInteger, wrongArity } from './syntax.js'

interface Subcommand {
  readonly run: (session: Session, args: Arguments) => Outcome
  readonly reason: string
  /** True if servers differ in it, so that it is theirs to say what they do not know or take. */
  readonly differs?: boolean
}

const own = 'speaks of what to the application is its own connection, and not of the one behind, which others share'
const whole = 'speaks of the whole server'
const onLease =
  'changes what commands do or are told on their connection, so the session keeps one to itself while it is on'

/** What becomes of each of CLIENT's subcommands; one that is not here is answered as by a server that does not know it. */
export const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  id: { run: (session) => reply(integer(session.id)), reason: own },
  info: { run: (session) => reply(verbatim(session.protocol, `${describeClient(session)}\n`)), reason: own },
  list: { run: clientList, reason: own },
  kill: { run: clientKill, reason: own },
  unblock: { run: unblock, reason: 'names a session, whose connection behind Redis knows by another id' },
  getname: {
    run: (session) => reply(session.name === '' ? nullReply(session.protocol) : bulk(session.name)),
    reason: own,
  },
  setname: { run: setName, reason: own },
  setinfo: { run: setInfo, reason: own },
  reply: { run: replyMode, reason: 'replies are left out here, so that the session goes on sharing connections' },
  'no-evict': {
    run: noEvict,
    reason: 'respool bounds what it leaves unread, so its connections are not the ones evicted',
  },
  'no-touch': { run: switched(Bond.noTouch), reason: onLease, differs: true },
  'import-source': { run: switched(Bond.importSource), reason: onLease, differs: true },
  capa: {
    run: capabilities,
    reason: 'what a client could do it need not be asked to, and nobody else may be',
    differs: true,
  },
  tracking: { run: tracking, reason: onLease },
  caching: { run: caching, reason: 'has a meaning only for a session that tracks, on its lease' },
  trackinginfo: { run: trackingInfo, reason: 'Redis knows best, but for the ids of clients' },
  getredir: { run: getRedirect, reason: own },
  pause: { run: () => FORWARD, reason: whole },
  unpause: { run: () => FORWARD, reason: whole },
  help: { run: () => FORWARD, reason: whole },
}

export function client(session: Session, args: Arguments, spec: CommandSpec): Outcome {
  const name = args.lower(1)
  const row = spec.subcommands?.get(name)
  if (!Object.hasOwn(SUBCOMMANDS, name))
    return failure(`ERR unknown subcommand '${quoted(args.text(1))}'. Try CLIENT HELP.`)
  const { run, differs } = SUBCOMMANDS[name]
  if (row === undefined || hasArity(row, args.count)) return run(session, args)
  return differs === true ? FORWARD : failure(wrongArity(`client|${name}`))
}

function setName(session: Session, args: Arguments): Outcome {
  const name = args.text(2)
  if (!isClientName(name)) return code('clientNameInvalid')
  session.name = name
  return reply(OK)
}

function setInfo(session: Session, args: Arguments): Outcome {
  const attribute = args.lower(2)
  const value = args.text(3)
  if (attribute !== 'lib-name' && attribute !== 'lib-ver')
    return failure(`ERR Unrecognized option '${quoted(args.text(2))}'`)
  if (!isClientName(value)) {
    return failure(`ERR ${attribute} cannot contain spaces, newlines or special characters.`)
  }
  if (attribute === 'lib-name') session.libName = value
  else session.libVersion = value
  return reply(OK)
}

function noEvict(session: Session, args: Arguments): Outcome {
  const word = args.lower(2)
  if (word !== 'on' && word !== 'off') return code('syntax')
  session.noEvict = word === 'on'
  return reply(OK)
}

/** ON and OFF of something that lasts on the connection; which a shared one, where it is off, may be told again. */
function switched(bond: number): Subcommand['run'] {
  return (session, args) => {
    const on = args.lower(2) === 'on'
    if (!on && session.anchor.bonds === 0) return session.inflight > 0 ? DRAIN : FORWARD
    return asked('session', null, (answer) => {
      if (answer === OK) session.anchor.bind(bond, on)
      return answer
    })
  }
}

/** Servers take any word for a capability, so they may be asked whether they know of such a thing, and told of none. */
function capabilities(): Outcome {
  return { kind: 'forward', request: command('CLIENT', 'CAPA', 'none') }
}

function replyMode(session: Session, args: Arguments): Outcome {
  const word = args.lower(2)
  switch (word) {
    case 'on':
      session.replyMode = word
      return reply(OK)
    case 'off':
      session.replyMode = word
      return NONE
    case 'skip':
      if (session.replyMode !== 'off') session.replyMode = word
      return NONE
    default:
      return code('syntax')
  }
}

/** Finds the session by the id that it knows itself by, and tells Redis the id of the connection that it is blocked on. */
function unblock(session: Session, args: Arguments): Outcome {
  const mode = args.count === 4 ? args.lower(3) : 'timeout'
  if (args.count > 4 || (mode !== 'timeout' && mode !== 'error')) {
    return failure('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
  }
  const id = parseInteger(args.text(2))
  if (id === null) return code('notInteger')
  const lease = session.context.registry.get(id)?.lease ?? null
  if (lease === null) return reply(integer(0))
  const upstreamId = session.lane.endpoint.clientIdOf(lease)
  return { kind: 'forward', request: command('CLIENT', 'UNBLOCK', String(upstreamId), mode) }
}
