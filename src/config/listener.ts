import Type, { type Static, type StaticDecode } from 'typebox'
import { describeAddress, parseAddress, parsePlace } from './address.js'
import {
  AUTH_MODES,
  type Config,
  type ListenerGuard,
  type ListenerLimits,
  type ListenerTls,
  READ_PREFERENCES,
  type Reading,
} from './config.js'
import { ADDRESS, choice, duration, integer, size, text, TLS_VERSIONS } from './kinds.js'
import { Mistake } from './mistake.js'
import { rules } from './rules.js'

type Listener = Config['listen'][number]

/** The default, ms. */
const READ_YOUR_WRITES = 1000

const CLIENT_AUTH = ['none', 'optional', 'require'] as const

const tls = Type.Object(
  {
    cert: text(
      'File with the certificate that applications are shown, in PEM form, and those of CAs between it and the root.',
    ),
    key: text('File with its private key.'),
    ca: Type.Optional(text('File with the CAs whose certificates applications may show.')),
    clientAuth: Type.Optional(
      choice('none', 'Whether applications show a certificate: never, if they have one, or always.', CLIENT_AUTH),
    ),
    minVersion: Type.Optional(
      Type.Enum([...TLS_VERSIONS], { title: '1.2 or 1.3', description: 'The oldest version of TLS that is spoken.' }),
    ),
  },
  { additionalProperties: false, description: 'Has applications connect with TLS.' },
)

const limits = Type.Object(
  {
    connections: Type.Optional(
      integer(0, 'Connections; 0: as many as limits.connections leaves.', { minimum: 0, maximum: 1_000_000 }),
    ),
    commandsPerSecond: Type.Optional(
      integer(
        0,
        'Commands a second, and as many at once; whoever sends more is made to wait, and gets no error. 0: any number.',
        { minimum: 0, maximum: 100_000_000 },
      ),
    ),
    bufferedBytes: Type.Optional(size(0, 'Unread replies, within limits.bufferedBytes.', { min: '64kb', zero: 'any' })),
  },
  {
    additionalProperties: false,
    description: 'What its applications may use together, within what limits says of all.',
  },
)

const UNLIMITED: ListenerLimits = { connections: 0, commandsPerSecond: 0, bufferedBytes: 0 }

const entry = Type.Object(
  {
    address: Type.String({ title: ADDRESS }),
    pooling: Type.Optional(
      choice(
        'command',
        'When applications get an upstream connection to themselves: where a command needs one, or from the first one on (session).',
        ['command', 'session'],
      ),
    ),
    announce: Type.Optional(
      Type.String({
        title: 'HOST:PORT',
        description:
          'Where cluster and sentinel clients are told to connect, if not to the address that they have dialled.',
      }),
    ),
    tls: Type.Optional(tls),
    auth: Type.Optional(
      Type.Enum([...AUTH_MODES], {
        title: `one of ${AUTH_MODES.join(', ')}`,
        description:
          'Whom it lets in: everybody (none), who shows the password or is one of the users under auth, or whom Redis lets in, and as whom (passthrough). Without it, none.',
      }),
    ),
    limits: Type.Optional(limits),
    role: Type.Optional(
      Type.Enum(['primary', 'replica'], {
        title: 'primary or replica',
        description: 'What it is to applications: on a replica they only read. Without it, primary.',
      }),
    ),
    reads: Type.Optional(
      Type.Enum([...READ_PREFERENCES], {
        title: `one of ${READ_PREFERENCES.join(', ')}`,
        description: 'Which servers read: primary, unless said otherwise, and replica for a replica listener.',
      }),
    ),
    readYourWrites: Type.Optional(
      duration(null, 'How long after a write its session reads the same slot from the primary. Without it, 1s.', {
        zero: 'off',
      }),
    ),
    rules: Type.Optional(rules(null, 'Rules that come before those of guard.rules.')),
    audit: Type.Optional(
      Type.Enum(['on', 'off'], {
        title: 'on or off',
        description: 'Whether nothing is denied here, but reported. Without it, as guard.audit says.',
      }),
    ),
  },
  { additionalProperties: false },
)

/** An address, or an object that has it under the key `address`, with options. */
export function listener() {
  return Type.Codec(
    Type.Union([Type.String(), entry], { title: `${ADDRESS}, or one under the key address, with options` }),
  )
    .Decode(decode)
    .Encode(encode)
}

type Entry = StaticDecode<typeof entry>

function decode(given: string | Entry): Listener {
  const options: Entry = typeof given === 'string' ? { address: given } : given
  const { address, pooling = 'command', announce, tls, auth, limits } = options
  return {
    address: parseAddress(address),
    pooling,
    announce: announce === undefined ? null : parsePlace(announce),
    tls: tls === undefined ? null : decodeTls(tls),
    ...(auth === undefined ? {} : { auth }),
    ...(limits === undefined ? {} : { limits: { ...UNLIMITED, ...limits } }),
    ...decodeReading(options),
    ...decodeGuard(options),
  }
}

function decodeReading({ role = 'primary', reads = role, readYourWrites = READ_YOUR_WRITES }: Entry): Reading {
  return { role, reads, readYourWrites }
}

function decodeGuard({ rules = [], audit }: Entry): ListenerGuard {
  return { rules, audit: audit === undefined ? null : audit === 'on' }
}

function decodeTls({ clientAuth = 'none', minVersion = '1.2', ...files }: Static<typeof tls>): ListenerTls {
  if (clientAuth !== 'none' && files.ca === undefined)
    throw new Mistake(
      'must give tls a ca if its clientAuth is not none: the CAs whose certificates applications may show',
    )
  if (clientAuth === 'none' && files.ca !== undefined)
    throw new Mistake('must not give tls a ca unless its clientAuth is optional or require: it would have no effect')
  return { ...files, clientAuth, minVersion: String(minVersion) as ListenerTls['minVersion'] }
}

function encode({ address, pooling, announce, tls, auth, limits, rules, audit, ...reading }: Listener): string | Entry {
  const text = describeAddress(address)
  const options = {
    ...(pooling === 'command' ? {} : { pooling }),
    ...(announce === null ? {} : { announce: describeAddress({ kind: 'tcp', ...announce }) }),
    ...(tls === null ? {} : { tls: { ...tls, minVersion: Number(tls.minVersion) as 1.2 | 1.3 } }),
    ...(auth === undefined ? {} : { auth }),
    ...(limits === undefined ? {} : { limits }),
    ...encodeReading(reading),
    ...(rules.length === 0 ? {} : { rules: [...rules] }),
    ...(audit === null ? {} : { audit: audit ? ('on' as const) : ('off' as const) }),
  }
  return Object.keys(options).length === 0 ? text : { address: text, ...options }
}

function encodeReading({ role, reads, readYourWrites }: Reading): Partial<Reading> {
  return {
    ...(role === 'primary' ? {} : { role }),
    ...(reads === role ? {} : { reads }),
    ...(readYourWrites === READ_YOUR_WRITES ? {} : { readYourWrites }),
  }
}
