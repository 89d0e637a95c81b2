import Type, { type Static } from 'typebox'
import { describeAddress, parseAddress, parsePlace } from './address.js'
import type { Config, ListenerTls } from './config.js'
import { ADDRESS, choice, text, TLS_VERSIONS } from './kinds.js'
import { Mistake } from './mistake.js'

type Listener = Config['listen'][number]

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

function decode(given: string | Static<typeof entry>): Listener {
  const { address, pooling = 'command', announce, tls } = typeof given === 'string' ? { address: given } : given
  return {
    address: parseAddress(address),
    pooling,
    announce: announce === undefined ? null : parsePlace(announce),
    tls: tls === undefined ? null : decodeTls(tls),
  }
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

function encode({ address, pooling, announce, tls }: Listener): string | Static<typeof entry> {
  const text = describeAddress(address)
  if (pooling === 'command' && announce === null && tls === null) return text
  return {
    address: text,
    ...(pooling === 'command' ? {} : { pooling }),
    ...(announce === null ? {} : { announce: describeAddress({ kind: 'tcp', ...announce }) }),
    ...(tls === null ? {} : { tls: { ...tls, minVersion: Number(tls.minVersion) as 1.2 | 1.3 } }),
  }
}
