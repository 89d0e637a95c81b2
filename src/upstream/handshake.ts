import type { UpstreamTarget } from '../config/config.js'
import type { ErrorCode } from '../errors.js'
import { decode, type Value } from '../resp/decode.js'
import { command, type Protocol } from '../resp/encode.js'
import type { ServerRole } from '../metrics/gauges.js'
import type { UpstreamConnection } from './connection.js'
import { type Credentials, LOGIN_RETRY, type UpstreamLogin } from './login.js'
import type { Pending } from './pending.js'

/** Who we are and what we want of a fresh connection. */
export interface Identity {
  protocol: Protocol
  database: number
  login: UpstreamLogin
  /** For CLIENT SETNAME. */
  clientName: string
  /** What HELLO must say that the server is; null if that does not matter. */
  role: 'master' | 'replica' | null
  /** True to say READONLY, without which a replica in a cluster refuses all that has keys. */
  readonly: boolean
}

/** Who a login is on a connection. */
export function identityOf(
  { kind }: UpstreamTarget,
  login: UpstreamLogin,
  protocol: Protocol,
  database: number,
  clientName: string,
  role: ServerRole = 'primary',
): Identity {
  const identity = { protocol, database, login, clientName }
  if (role === 'replica') return { ...identity, role: 'replica', readonly: kind === 'cluster' }
  // A replica in a cluster answers MOVED, which tells more.
  return { ...identity, role: kind === 'sentinel' ? 'master' : null, readonly: false }
}

/** What Redis says of itself in its answer to HELLO. */
export interface ServerInfo {
  /** `redis`, `valkey`, … */
  server: string
  version: string
  mode: string
  role: string
  modules: Value[]
}

export interface HandshakeOutcome {
  info: ServerInfo
  /** The connection's id in Redis's CLIENT LIST. */
  clientId: number
}

export interface HandshakeFailure {
  code: Extract<ErrorCode, 'upstreamAuth' | 'dbOutOfRange' | 'upstreamDown'>
  /** Redis's own words. */
  text: string
}

interface Step {
  request: string
  /** Called with a good answer. */
  done?: (value: Value) => void
  /** What an error means; null to go on without. */
  failure: HandshakeFailure['code'] | null
}

/** Servers say so of a password that they do not know, or no longer, and of none where they want one. */
export const WRONG_LOGIN = /^(WRONGPASS|NOAUTH)/

/**
 * Brings a fresh connection to the given identity. Commands of applications come only after that. Where a server does not know the
 * password yet that has just been taken, the one before is tried; where it no longer knows the one that was sent, that which has been
 * taken since.
 */
export function shakeHands(
  connection: UpstreamConnection,
  identity: Identity,
  now: number,
  deadline: number,
  onDone: (outcome: HandshakeOutcome) => void,
  onFailure: (failure: HandshakeFailure) => void,
): void {
  const { era, candidates } = identity.login
  const [first = NOBODY, second] = candidates
  const done = (outcome: HandshakeOutcome) => {
    connection.loginEra = era
    onDone(outcome)
  }
  const doneAsBefore = (outcome: HandshakeOutcome) => {
    connection.loginEra = era - 1
    connection.loginDue = now + LOGIN_RETRY
    onDone(outcome)
  }
  const refused = (failure: HandshakeFailure) => {
    if (identity.login.era === era || !WRONG_LOGIN.test(failure.text)) return onFailure(failure)
    shakeHands(connection, identity, now, deadline, onDone, onFailure)
  }
  introduce(connection, identity, first, now, deadline, done, (failure) => {
    if (second === undefined || !WRONG_LOGIN.test(failure.text)) return refused(failure)
    introduce(connection, identity, second, now, deadline, doneAsBefore, refused)
  })
}

const NOBODY: Credentials = { username: null, password: null }

/** All commands go out in one write, the last answer decides. */
function introduce(
  connection: UpstreamConnection,
  identity: Identity,
  credentials: Credentials,
  now: number,
  deadline: number,
  onDone: (outcome: HandshakeOutcome) => void,
  onFailure: (failure: HandshakeFailure) => void,
): void {
  let outcome: HandshakeOutcome | null = null
  const request = hello(identity.protocol, credentials)
  const steps: Step[] = [
    { request, failure: 'upstreamAuth', done: (value) => (outcome = readHello(value)) },
    { request: command('CLIENT', 'SETNAME', identity.clientName), failure: null },
  ]
  if (identity.database !== 0) {
    steps.push({ request: command('SELECT', String(identity.database)), failure: 'dbOutOfRange' })
  }
  if (identity.readonly) steps.push({ request: command('READONLY'), failure: 'upstreamAuth' })
  let left = steps.length
  let failed = false
  const settle = (step: Step, value: Value) => {
    left--
    if (failed) return
    if (value instanceof Error && step.failure !== null) {
      failed = true
      onFailure({ code: failureCode(step.failure, value.message), text: value.message })
      return
    }
    step.done?.(value)
    if (identity.role !== null && outcome !== null && outcome.info.role !== identity.role) {
      failed = true
      onFailure({ code: 'upstreamDown', text: `it is a ${outcome.info.role}` })
      return
    }
    if (left === 0 && outcome !== null) onDone(outcome)
  }
  for (const step of steps)
    connection.sendText(new StepReply(now, deadline, (value) => settle(step, value)), step.request)
}

/** Words with which a server that is alive says that it cannot serve yet: no fault of the login. */
const NOT_YET = /^(LOADING|MASTERDOWN|BUSY|ERR max number of clients)/

function failureCode(code: HandshakeFailure['code'], text: string): HandshakeFailure['code'] {
  return NOT_YET.test(text) ? 'upstreamDown' : code
}

function hello(protocol: Protocol, { username, password }: Credentials): string {
  const login = password === null ? [] : ['AUTH', username ?? 'default', password]
  return command('HELLO', String(protocol), ...login)
}

/** Logs a connection in that is logged in already: what was sent before is still carried out as whom it was. */
export function auth({ username, password }: Credentials): string {
  return command('AUTH', ...(username === null ? [] : [username]), password ?? '')
}

function readHello(value: Value): HandshakeOutcome {
  const pairs = new Map<Value, Value>()
  if (Array.isArray(value)) for (let i = 0; i + 1 < value.length; i += 2) pairs.set(value[i], value[i + 1])
  const text = (name: string, otherwise: string): string => {
    const found = pairs.get(name)
    return typeof found === 'string' ? found : otherwise
  }
  const modules = pairs.get('modules')
  return {
    info: {
      server: text('server', 'redis'),
      version: text('version', 'unknown'),
      mode: text('mode', 'standalone'),
      role: text('role', 'master'),
      modules: Array.isArray(modules) ? modules : [],
    },
    clientId: Number(pairs.get('id') ?? 0),
  }
}

/** Takes the answer to one of respool's own commands. */
export class StepReply implements Pending {
  lost = false
  readonly #parts: Buffer[] = []

  constructor(
    readonly since: number,
    readonly deadline: number,
    readonly onValue: (value: Value) => void,
    readonly onLost: () => void = () => {},
  ) {}

  reply(buf: Buffer, start: number, end: number, last: boolean): void {
    this.#parts.push(Buffer.copyBytesFrom(buf, start, end - start))
    if (last) this.onValue(decode(Buffer.concat(this.#parts), 0))
  }

  lose(): void {
    this.lost = true
    this.onLost()
  }
}
