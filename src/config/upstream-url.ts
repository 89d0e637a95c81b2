import { describeAddress, parseHost, parsePort, splitHostPort } from './address.js'
import type { Address, UpstreamTarget } from './config.js'
import { Mistake } from './mistake.js'

interface Scheme {
  kind: UpstreamTarget['kind']
  transport: 'tcp' | 'tls' | 'unix'
  form: string
  /** Used for hosts without a port. */
  port: number
}

const SCHEMES: Record<string, Scheme> = {
  redis: { kind: 'standalone', transport: 'tcp', form: 'HOST[:PORT][/DB]', port: 6379 },
  rediss: { kind: 'standalone', transport: 'tls', form: 'HOST[:PORT][/DB]', port: 6379 },
  'redis+unix': { kind: 'standalone', transport: 'unix', form: '/PATH[?db=N]', port: 0 },
  'redis+cluster': { kind: 'cluster', transport: 'tcp', form: 'HOST:PORT,HOST:PORT', port: 6379 },
  'rediss+cluster': { kind: 'cluster', transport: 'tls', form: 'HOST:PORT,HOST:PORT', port: 6379 },
  'redis+sentinel': { kind: 'sentinel', transport: 'tcp', form: 'HOST:PORT,HOST:PORT/SERVICE[/DB]', port: 26_379 },
  'rediss+sentinel': { kind: 'sentinel', transport: 'tls', form: 'HOST:PORT,HOST:PORT/SERVICE[/DB]', port: 26_379 },
}

/** Redis keeps the number of databases in a signed 32-bit integer. */
const HIGHEST_DATABASE = 2 ** 31 - 1

/** The parts of a URL, still encoded. The URL class of the platform knows neither lists of hosts nor our schemes' paths. */
interface Parts {
  credentials: string | null
  authority: string
  path: string
  query: string
}

/**
 * Parses the upstream URL in one of the forms of `SCHEMES`, each with `[USER[:PASSWORD]@]` before the host. User, password
 * and service are percent-decoded.
 *
 * @throws Mistake whose message shows nothing of the URL but its scheme: a password with an unescaped `/` or `@` could
 *   be anywhere in it
 */
export function parseUpstreamUrl(url: string): UpstreamTarget {
  const name = /^([a-z][a-z+]*):\/\//.exec(url)?.[1]
  const scheme = name !== undefined && Object.hasOwn(SCHEMES, name) ? SCHEMES[name] : undefined
  if (name === undefined || scheme === undefined) {
    throw new Mistake(`must be a URL that starts with one of ${Object.keys(SCHEMES).join('://, ')}://`)
  }
  try {
    const parts = split(url.slice(name.length + '://'.length))
    return { ...target(scheme, parts), kind: scheme.kind, tls: scheme.transport === 'tls', ...login(parts.credentials) }
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    throw new Mistake(
      `${error.message} (expected ${name}://[USER[:PASSWORD]@]${scheme.form}, with special characters percent-encoded)`,
    )
  }
}

/** The URL of a target, without user and password. */
export function formatUpstreamUrl(target: UpstreamTarget): string {
  const { kind, tls, endpoints, service, database } = target
  const [first] = endpoints
  if (first?.kind === 'unix') {
    const path = first.path.split('/').map(encodeURIComponent).join('/')
    return `redis+unix://${path}${database === 0 ? '' : `?db=${database}`}`
  }
  const name = `redis${tls ? 's' : ''}${kind === 'standalone' ? '' : `+${kind}`}`
  const path = [service, database || null].filter((part) => part !== null).map((part) => `/${encodeURIComponent(part)}`)
  return `${name}://${endpoints.map(describeAddress).join(',')}${path.join('')}`
}

function split(rest: string): Parts {
  const [beforeQuery = '', ...query] = rest.split('?')
  const slash = beforeQuery.indexOf('/')
  const front = slash === -1 ? beforeQuery : beforeQuery.slice(0, slash)
  const at = front.lastIndexOf('@')
  return {
    credentials: at === -1 ? null : front.slice(0, at),
    authority: front.slice(at + 1),
    path: slash === -1 ? '' : beforeQuery.slice(slash),
    query: query.join('?'),
  }
}

type Where = Pick<UpstreamTarget, 'endpoints' | 'service' | 'database'>

function target(scheme: Scheme, { authority, path, query }: Parts): Where {
  const inQuery = databaseInQuery(query)
  if (scheme.transport === 'unix') {
    if (authority !== '' || path.length < 2) throw new Mistake('must have an absolute path after redis+unix://')
    return { endpoints: [{ kind: 'unix', path: decode(path) }], service: null, database: inQuery ?? 0 }
  }
  const segments = path.split('/').slice(1)
  const service = scheme.kind === 'sentinel' ? decode(segments.shift() ?? '') : null
  if (service === '') throw new Mistake('must name the service that the sentinels watch')
  if (segments.length > 1) throw new Mistake('must not have more parts in its path')
  const inPath = segments[0] ? parseDatabase(segments[0]) : null
  if (inPath !== null && inQuery !== null) throw new Mistake('must give the database only once')
  const database = inPath ?? inQuery ?? 0
  if (scheme.kind === 'cluster' && database !== 0) throw new Mistake('must not give a database: a cluster has only 0')
  return { endpoints: endpoints(scheme, authority), service, database }
}

function endpoints(scheme: Scheme, authority: string): Address[] {
  const hosts = authority.split(',')
  if (scheme.kind === 'standalone' && hosts.length > 1) throw new Mistake('must have one host only')
  return hosts.map((text) => {
    const { host, port } = splitHostPort(text)
    return { kind: 'tcp', host: parseHost(host), port: port === null ? scheme.port : parsePort(port, 1) }
  })
}

function databaseInQuery(query: string): number | null {
  if (query === '') return null
  const parameters = [...new URLSearchParams(query)]
  const [first] = parameters
  if (parameters.length !== 1 || first?.[0] !== 'db') throw new Mistake('must not have parameters other than one db')
  return parseDatabase(first[1])
}

function parseDatabase(text: string): number {
  const database = /^\d{1,10}$/.test(text) ? Number(text) : Infinity
  if (database > HIGHEST_DATABASE) throw new Mistake(`must have a database number from 0 to ${HIGHEST_DATABASE}`)
  return database
}

/** An empty user or password is none. */
function login(credentials: string | null): Pick<UpstreamTarget, 'username' | 'password'> {
  const [username = '', ...password] = (credentials ?? '').split(':')
  return { username: decode(username) || null, password: decode(password.join(':')) || null }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Mistake('must be percent-encoded correctly: a % of its own is %25')
  }
}
