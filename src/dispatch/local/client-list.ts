import type { Arguments } from '../../resp/arguments.js'
import { integer, OK, quoted, verbatim } from '../../resp/encode.js'
import type { Session } from '../session.js'
import { describeClient } from './client-line.js'
import { code, failure, type Outcome, reply } from './outcome.js'
import { parseInteger } from './syntax.js'

const TYPES = ['normal', 'pubsub', 'master', 'primary', 'replica', 'slave']

/** CLIENT LIST [TYPE type] [ID id …], of the applications' connections. */
export function clientList(session: Session, args: Arguments): Outcome {
  const all = session.context.registry.all()
  const list = (sessions: Session[]): Outcome =>
    reply(verbatim(session.protocol, sessions.map((one) => `${describeClient(one)}\n`).join('')))
  if (args.count === 2) return list(all)
  const filter = args.lower(2)
  if (filter === 'type' && args.count === 4) {
    const type = args.lower(3)
    if (!TYPES.includes(type)) return failure(`ERR Unknown client type '${quoted(args.text(3))}'`)
    return list(all.filter((one) => typeOf(one) === type))
  }
  if (filter === 'id' && args.count > 3) {
    const ids = args.texts(3).map(parseInteger)
    if (ids.some((id) => id === null || id < 1)) return failure('ERR Invalid client ID')
    return list(all.filter((one) => ids.includes(one.id)))
  }
  return code('syntax')
}

/** CLIENT KILL addr, and CLIENT KILL with filters, of the applications' connections. */
export function clientKill(session: Session, args: Arguments): Outcome {
  const all = session.context.registry.all()
  if (args.count === 3) {
    const found = all.find((one) => one.downstream.remoteAddress === args.text(2))
    if (found === undefined) return code('noSuchClient')
    if (found === session) return { kind: 'quit', text: OK }
    found.downstream.destroy('killed')
    return reply(OK)
  }
  const filter = readFilter(session, args)
  if ('kind' in filter) return filter
  const victims = all.filter((one) => filter.tests.every((test) => test(one)) && !(filter.skipMe && one === session))
  for (const victim of victims) if (victim !== session) victim.downstream.destroy('killed')
  const text = integer(victims.length)
  return victims.includes(session) ? { kind: 'quit', text } : reply(text)
}

interface KillFilter {
  tests: ((session: Session) => boolean)[]
  skipMe: boolean
}

function readFilter(session: Session, args: Arguments): KillFilter | Outcome {
  const filter: KillFilter = { tests: [], skipMe: true }
  for (let i = 2; i < args.count; i += 2) {
    if (i + 1 >= args.count) return code('syntax')
    const value = args.text(i + 1)
    const lower = args.lower(i + 1)
    switch (args.lower(i)) {
      case 'id': {
        const id = parseInteger(value)
        if (id === null || id < 1) return failure('ERR client-id should be greater than 0')
        filter.tests.push((one) => one.id === id)
        break
      }
      case 'addr':
        filter.tests.push((one) => one.downstream.remoteAddress === value)
        break
      case 'laddr':
        filter.tests.push((one) => one.downstream.localAddress === value)
        break
      case 'type':
        if (!TYPES.includes(lower)) return failure(`ERR Unknown client type '${quoted(value)}'`)
        filter.tests.push((one) => typeOf(one) === lower)
        break
      case 'user':
        if (!session.context.registry.all().some((one) => one.user === value)) {
          return failure(`ERR No such user '${quoted(value)}'`)
        }
        filter.tests.push((one) => one.user === value)
        break
      case 'skipme':
        if (lower !== 'yes' && lower !== 'no') return code('syntax')
        filter.skipMe = lower === 'yes'
        break
      default:
        return code('syntax')
    }
  }
  return filter
}

const typeOf = (session: Session): string =>
  session.leaseReason === 'subscribe' || session.subscribed ? 'pubsub' : 'normal'
