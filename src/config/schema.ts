import Type from 'typebox'
import { LOG_LEVELS } from './config.js'
import {
  addressMap,
  addressOrOff,
  choice,
  choices,
  duration,
  fraction,
  hostName,
  httpUrl,
  integer,
  names,
  onOff,
  program,
  secret,
  size,
  text,
  tlsVersion,
  upstreamUrl,
  word,
} from './kinds.js'
import { auth, passthrough } from './access.js'
import { listener } from './listener.js'
import { guard } from './rules.js'

// The one description of the configuration file: from it come its type, the defaults, the names of environment variables,
// the checks and the JSON Schema. Keys without a default may be left out.

const MILLION = 1_000_000

/** Commands that are refused unless `commands.allow` lists them, by their names in the command table. */
export const REFUSED_BY_DEFAULT = [
  'cluster|syncslots',
  'debug',
  'psync',
  'replconf',
  'script|debug',
  'shutdown',
  'sync',
] as const

const VERIFY = 'all of it (full), all but the name (ca), or nothing (off), which lets anyone on the way listen in.'

function section<const T extends Record<string, Type.TSchema>>(description: string, keys: T) {
  return Type.Object(keys, { additionalProperties: false, description })
}

const upstream = section('The Redis that commands are sent to.', {
  url: Type.Optional(
    upstreamUrl(
      'redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], redis+unix:///PATH[?db=N], redis+cluster://HOST:PORT,HOST:PORT or ' +
        'redis+sentinel://HOST:PORT,HOST:PORT/SERVICE[/DB]; rediss instead of redis for TLS. Must be given somewhere.',
    ),
  ),
  username: Type.Optional(text('User to log in as, unless the URL has one.')),
  password: Type.Optional(secret('Password to log in with, unless the URL has one.')),
  usernameFile: Type.Optional(
    text('File that holds the user, instead of the user itself; read again when it changes.'),
  ),
  passwordFile: Type.Optional(
    text('File that holds the password, instead of the password itself; read again when it changes.'),
  ),
  passwordCommand: Type.Optional(
    program('Program, with its arguments, whose output is the password: at the start, and again before it expires.'),
  ),
  passwordInterval: duration('10m', 'How often that program is run if it does not tell when its password expires.', {
    min: '1s',
  }),
  passwordOverlap: duration(
    '10m',
    'How long after a change the password before is tried where the new one is refused.',
    {
      zero: 'not at all',
    },
  ),
  tls: section(
    'TLS to Redis, if the URL begins with rediss. Files are in PEM form, and are read again when they change.',
    {
      ca: Type.Optional(text('File with the CAs that are trusted, instead of the public ones that Node trusts.')),
      cert: Type.Optional(text('File with a certificate to show to Redis.')),
      key: Type.Optional(text('File with its private key.')),
      serverName: Type.Optional(
        hostName('Name to ask for (SNI) and to look for in the certificate, instead of the host that is dialled.'),
      ),
      verify: choice('full', `What is checked of Redis's certificate: ${VERIFY}`, ['full', 'ca', 'off']),
      minVersion: tlsVersion(1.2, 'The oldest version of TLS that is spoken.'),
    },
  ),
  sentinel: section('The sentinels: the login, if they want one (that of the URL is for Redis), and TLS.', {
    username: Type.Optional(text('User to log in as at the sentinels.')),
    password: Type.Optional(secret('Password to log in with at the sentinels.')),
    passwordFile: Type.Optional(
      text('File that holds it, instead of the password itself; read again when it changes.'),
    ),
    tls: section('TLS to the sentinels. What is not given is as in upstream.tls.', {
      enabled: choice('auto', 'Whether sentinels are dialled with TLS: as the URL says (auto), on or off.', [
        'auto',
        'on',
        'off',
      ]),
      ca: Type.Optional(text('File with the CAs that are trusted.')),
      cert: Type.Optional(text('File with a certificate to show to the sentinels.')),
      key: Type.Optional(text('File with its private key.')),
      serverName: Type.Optional(hostName('Name to ask for and to look for in the certificate.')),
    }),
  }),
  cluster: section('Finding the nodes of a cluster.', {
    refreshInterval: duration(
      '30s',
      'How often a node is asked for the slot map though nothing seems to have changed.',
    ),
    addressMap: addressMap(
      'Where nodes are reached that announce other addresses, as behind NAT: HOST:PORT to HOST:PORT, or HOST to HOST.',
    ),
  }),
  start: choice('lazy', 'When to listen: at once (lazy), or once Redis has been reached (eager).', ['lazy', 'eager']),
  clientName: word('respool', 'Upstream connections are named <clientName>:<hostname> in CLIENT LIST.', 64),
  connectTimeout: duration('2s', 'Time to connect and log in.'),
  commandTimeout: duration('2500ms', 'Time for Redis to answer a command.'),
  holdTime: duration('1s', 'How long commands wait for a Redis that has just been lost, before they fail at once.', {
    zero: 'not at all',
  }),
  maxHeld: integer(1000, 'How many commands may wait for a connection.', { minimum: 0, maximum: MILLION }),
  reconnect: section('Delays between attempts to reconnect; they double, and are jittered.', {
    minDelay: duration('50ms', 'The first delay.'),
    maxDelay: duration('800ms', 'The longest delay.'),
  }),
  keepAlive: duration('30s', 'Silence after which TCP probes a connection.', { min: '1s', zero: 'off' }),
})

const pool = section('Connections to each upstream endpoint.', {
  max: integer(8, 'Shared connections per endpoint, never more.', { minimum: 1, maximum: 10_000 }),
  min: integer(1, 'Shared connections opened ahead of need.', { minimum: 0, maximum: 10_000 }),
  idleTimeout: duration('5m', 'A connection unused for so long is closed.', { zero: 'never' }),
  maxLifetime: duration('30m', 'A connection so old is replaced.', { zero: 'never' }),
  // With more, some connections would live for next to no time.
  jitter: fraction(0.1, 'Fraction by which lifetimes differ, so that not all end at once.', {
    minimum: 0,
    maximum: 0.9,
  }),
  healthCheckInterval: duration('30s', 'Silence after which a connection is tested with PING.', { zero: 'off' }),
  leases: section('Connections that one application connection has to itself, as for WATCH or BLPOP.', {
    max: integer(64, 'Per endpoint, never more, besides the shared ones.', { minimum: 1, maximum: 100_000 }),
    waitTimeout: duration('4s', 'How long to wait for one.'),
    maxWaiters: integer(1000, 'How many may wait for one.', { minimum: 0, maximum: MILLION }),
    reserve: integer(
      8,
      'How many are kept for brief uses such as WATCH; blocking calls and the like may not take them. At most half.',
      {
        minimum: 0,
        maximum: 100_000,
      },
    ),
    maxBlocking: integer(0, 'How many blocking calls may hold one at the same time; 0 = as many as there are.', {
      minimum: 0,
      maximum: 100_000,
    }),
  }),
})

const commands = section('What applications may do.', {
  allow: choices(
    'Commands to carry that are refused otherwise, because they reach beyond the connection that they come on.',
    REFUSED_BY_DEFAULT,
  ),
  split: onOff(
    'on',
    'Takes MGET, MSET, DEL, UNLINK, EXISTS, TOUCH and XREAD apart if their keys lie in several slots of a cluster; off: CROSSSLOT, as by Redis.',
  ),
})

const standIn = section('What applications may take respool for, whatever its upstream is.', {
  cluster: onOff('on', 'Answers CLUSTER as a cluster of one node, so that cluster clients need no other address.'),
  sentinel: onOff(
    'on',
    'Answers SENTINEL as the only sentinel of one primary, so that sentinel clients need no other.',
  ),
  services: names('The names that it knows as a sentinel; if there are none, it takes any.', 64),
})

const limits = section('What applications may use.', {
  connections: integer(20_000, 'Application connections per process.', { minimum: 1, maximum: MILLION }),
  bulkBytes: size('512mb', 'Longest argument of a command.'),
  arrayLength: integer(1_048_576, 'Most arguments of a command.', { minimum: 1, maximum: 2 ** 31 - 1 }),
  inlineBytes: size('64kb', 'Longest inline command.', { max: '64mb' }),
  outstanding: integer(4096, 'Commands in flight per application connection before reading from it stops.', {
    minimum: 1,
    maximum: MILLION,
  }),
  outputBytes: size('1mb', 'Unread replies per application connection before reading from it stops.'),
  subscriberBytes: size(
    '32mb',
    'Unread replies and messages at which an application with subscriptions is disconnected.',
  ),
  mergedBytes: size('64mb', 'Replies of several nodes of a cluster that are put together for one command.'),
  bufferedBytes: size(
    '256mb',
    'Unread replies, subscriptions and what is put together, over all application connections.',
  ),
  stallTimeout: duration(
    '30s',
    'An application that begins a command or is sent a reply must make progress within this time.',
  ),
  handshakeTimeout: duration('10s', 'Time for an application to complete the handshake of TLS.'),
  blockTime: duration(
    0,
    'Longest time for which a blocking call may wait; a longer one ends as if its own time were over.',
    {
      zero: 'any',
    },
  ),
  idleTimeout: duration(0, 'An application connection idle for so long is closed.', { zero: 'never' }),
})

const scripts = section(
  'Scripts seen in EVAL and SCRIPT LOAD, remembered so that EVALSHA finds them after a restart of Redis.',
  {
    cacheBytes: size('8mb', 'Bytes of bodies remembered; the script used longest ago leaves first.', { zero: 'none' }),
    cacheCount: integer(1000, 'Scripts remembered; 0 for none.', { minimum: 0, maximum: MILLION }),
  },
)

const cache = section(
  'The near cache: replies of Redis that are kept here, until it says that their key has changed.',
  {
    prefixes: names('What the keys begin with whose replies to plain reads are kept; none: the cache is off.', 64),
    maxBytes: size('64mb', 'Memory for them; those used longest ago leave first.', { min: '64kb' }),
    maxEntries: integer(100_000, 'How many there may be.', { minimum: 1, maximum: 10 * MILLION }),
    maxEntryBytes: size('16kb', 'The largest that is kept, with its command.', { max: '64kb' }),
    maxAge: duration('10s', 'Longest time for which one is kept.', { max: '24h' }),
  },
)

const drain = section('How it ends when it is told to.', {
  notice: duration('3s', 'How long it goes on accepting, unless all applications have gone before.', {
    zero: 'not at all',
  }),
  timeout: duration('5s', 'Time for what is in flight to finish, and to close connections little by little.'),
})

export const schema = section('Configuration of respool.', {
  listen: Type.Array(listener(), {
    default: ['127.0.0.1:6379'],
    minItems: 1,
    maxItems: 64,
    title: 'a list of 1 to 64 addresses',
    description: 'Where applications connect: HOST:PORT, :PORT for every interface, or unix:PATH.',
  }),
  admin: addressOrOff('127.0.0.1:9121', 'Where metrics and the admin API are served; off for nowhere.'),
  adminToken: Type.Optional(
    secret(
      'What calls of the admin API that change something must bear. Without it, only loopback and unix sockets take them.',
    ),
  ),
  adminTokenFile: Type.Optional(text('File that holds the token, instead of the token itself.')),
  auth,
  passthrough,
  upstream,
  pool,
  commands,
  standIn,
  guard,
  limits,
  scripts,
  cache,
  drain,
  reload: choice(
    'signal',
    'When the file is read again: on SIGHUP and POST /reload (signal), or also when it changes (watch).',
    ['signal', 'watch'],
  ),
  log: section('The log on standard output.', {
    level: choice('info', 'Least important events that are written.', LOG_LEVELS),
  }),
  tracing: section(
    'Spans of commands, sent to a collector of OpenTelemetry: name, route, server, outcome and times, never keys or values.',
    {
      endpoint: Type.Optional(
        httpUrl(
          'Where to send them, as OTLP over HTTP, such as http://localhost:4318/v1/traces. Without it there are none.',
        ),
      ),
      sampleRatio: fraction(0.01, 'Part of the commands that get a span.', { minimum: 0, maximum: 1 }),
    },
  ),
  workers: integer(1, 'Processes that share the work, and the limits of the whole.', { minimum: 1, maximum: 256 }),
})

/** What the file's keys decode to, with defaults filled in. */
export type Settings = Type.StaticDecode<typeof schema>

/** JSON Schema of the file, for editors. Nothing is required in it, since the environment or flags may give the rest. */
export function jsonSchema(): object {
  const file = JSON.parse(JSON.stringify(schema)) as Record<string, unknown>
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'respool.yaml',
    ...withoutRequired(file, ''),
  }
}

function withoutRequired(node: Record<string, unknown>, parent: string): Record<string, unknown> {
  // An entry of the listen list is the one object whose key has no default.
  const dropped = parent === 'anyOf' ? '' : 'required'
  const kept = Object.entries(node).filter(([name]) => name !== dropped)
  return Object.fromEntries(kept.map(([name, value]) => [name, deeper(value, name)]))
}

function deeper(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => deeper(item, name))
  if (typeof value !== 'object' || value === null) return value
  return withoutRequired(value as Record<string, unknown>, name)
}
