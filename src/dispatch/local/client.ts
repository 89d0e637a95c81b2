import type { CommandSpec } from '../../commands/spec.js'
import type { Arguments } from '../../resp/arguments.js'
import { bulk, command, integer, nullReply, OK, quoted, verbatim } from '../../resp/encode.js'
import type { Session } from '../session.js'
import { describeClient } from './client-line.js'
import { clientKill, clientList } from './client-list.js'
import { code, failure, FORWARD, NONE, type Outcome, reply } from './outcome.js'
import { caching, getRedirect, tracking, trackingInfo } from './tracking.js'
import { hasArity, isClientName, parseInteger, wrongArity } from './syntax.js'

type ClientCommand = (session: Session, args: Arguments) => Outcome

/** CLIENT's subcommands: all of them speak of the application's own connection, never of the shared one behind. */
const SUBCOMMANDS: ReadonlyMap<string, ClientCommand> = new Map<string, ClientCommand>([
  ['id', (session) => reply(integer(session.id))],
  ['getname', (session) => reply(session.name === '' ? nullReply(session.protocol) : bulk(session.name))],
  ['setname', setName],
  ['setinfo', setInfo],
  ['info', (session) => reply(verbatim(session.protocol, `${describeClient(session)}\n`))],
  ['list', clientList],
  ['kill', clientKill],
  ['no-evict', (session, args) => onOff(args, (on) => (session.noEvict = on))],
  ['no-touch', (session, args) => onOff(args, (on) => (session.noTouch = on))],
  ['getredir', getRedirect],
  ['trackinginfo', trackingInfo],
  ['tracking', tracking],
  ['caching', caching],
  ['reply', replyMode],
  ['unblock', unblock],
  // These speak of the whole server.
  ['pause', () => FORWARD],
  ['unpause', () => FORWARD],
  ['help', () => FORWARD],
])

export function client(session: Session, args: Arguments, spec: CommandSpec): Outcome {
  const name = args.lower(1)
  const subcommand = SUBCOMMANDS.get(name)
  const row = spec.subcommands?.get(name)
  if (subcommand === undefined) return failure(`ERR unknown subcommand '${quoted(args.text(1))}'. Try CLIENT HELP.`)
  if (row !== undefined && !hasArity(row, args.count)) return failure(wrongArity(`client|${name}`))
  return subcommand(session, args)
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

function onOff(args: Arguments, set: (on: boolean) => void): Outcome {
  const word = args.lower(2)
  if (word !== 'on' && word !== 'off') return code('syntax')
  set(word === 'on')
  return reply(OK)
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
