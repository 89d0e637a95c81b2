import type { Arguments } from '../../resp/arguments.js'
import { command, integer, OK, quoted, verbatim } from '../../resp/encode.js'
import type { Session } from '../session.js'
import { describeClient } from './client-line.js'
import { code, failure, type Outcome, reply } from './outcome.js'
import { NOBODY, parseInteger } from './syntax.js'

const TYPES = ['normal', 'pubsub', 'master', 'primary', 'replica', 'slave']

/** CLIENT LIST [TYPE type] [ID id …], of the applications' connections. */
export function clientList(session: Session, args: Arguments): Outcome {
  const all = session.context.registry.all()
  const list = (sessions: Session[]): Outcome => {
    const text = listOf(sessions, session.context.limits.mergedBytes)
    return text === null ? code('replyTooLarge') : reply(verbatim(session.protocol, text))
  }
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

/** Null if it has more characters than that: names can be long. */
function listOf(sessions: Session[], most: number): string | null {
  let text = ''
  for (const one of sessions) {
    text += `${describeClient(one)}\n`
    if (text.length > most) return null
  }
  return text
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
  const tests = readFilters(session, args)
  if (!Array.isArray(tests)) return tests
  const victims = all.filter((one) => tests.every((test) => test(one)))
  for (const victim of victims) if (victim !== session) victim.downstream.destroy('killed')
  const text = integer(victims.length)
  return victims.includes(session) ? { kind: 'quit', text } : reply(text)
}

type Test = (one: Session) => boolean

/** CLIENT KILL's filters (https://redis.io/docs/latest/commands/client-kill/): which sessions a value stands for. */
const FILTERS: Readonly<Record<string, (value: string, session: Session) => Test | Outcome>> = {
  id: (value) => {
    const id = parseInteger(value)
    return id === null || id < 1 ? failure('ERR client-id should be greater than 0') : (one) => one.id === id
  },
  addr: (value) => (one) => one.downstream.remoteAddress === value,
  laddr: (value) => (one) => one.downstream.localAddress === value,
  type: (value) => {
    const type = value.toLowerCase()
    return TYPES.includes(type) ? (one) => typeOf(one) === type : failure(`ERR Unknown client type '${quoted(value)}'`)
  },
  user: (value, { context }) => {
    if (context.registry.all().some((one) => one.user === value)) return (one) => one.user === value
    // Whether there is such a user at all is for Redis to say.
    return { kind: 'forward', request: command('CLIENT', 'KILL', 'USER', value, 'ID', NOBODY) }
  },
  skipme: (value, session) => {
    const skips = value.toLowerCase()
    return skips === 'yes' || skips === 'no' ? (one) => skips === 'no' || one !== session : code('syntax')
  },
  maxage: (value, { context }) => {
    const seconds = parseInteger(value)
    if (seconds === null) return failure('ERR maxage is not an integer or out of range')
    if (seconds < 1) return failure('ERR maxage should be greater than 0')
    return (one) => context.clock.now - one.since >= seconds * 1000
  },
}

/** All tests have to be passed; of a filter that is given twice the last one counts. */
function readFilters(session: Session, args: Arguments): Test[] | Outcome {
  const tests = new Map<string, Test>([['skipme', (one) => one !== session]])
  for (let i = 2; i < args.count; i += 2) {
    const name = args.lower(i)
    if (i + 1 >= args.count || !Object.hasOwn(FILTERS, name)) return code('syntax')
    const test = FILTERS[name](args.text(i + 1), session)
    if (typeof test !== 'function') return test
    tests.set(name, test)
  }
  return [...tests.values()]
}

const typeOf = (session: Session): string =>
  session.ways.leaseReason === 'subscribe' || session.subscribed ? 'pubsub' : 'normal'
