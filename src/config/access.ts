import Type from 'typebox'
import { duration, integer, secret, text } from './kinds.js'
import { parseUser, type User, USER_FORM } from './users.js'

// Who may connect: the keys of the configuration that say it.

/** Encoding hides all but the name. */
function user() {
  return Type.Codec(Type.String({ title: USER_FORM, minLength: 1, writeOnly: true }))
    .Decode((given: string): User => parseUser(given))
    .Encode(({ name }) => `${name} ***`)
}

export const auth = Type.Object(
  {
    password: Type.Optional(secret('Password of listeners with auth: password.')),
    passwordFile: Type.Optional(text('File that holds it; read again when it changes.')),
    users: Type.Array(user(), {
      default: [],
      maxItems: 1000,
      title: 'a list of users',
      description: 'Who may log in at listeners with auth: users, each as NAME >PASSWORD or NAME #SHA256.',
    }),
    usersFile: Type.Optional(text('File with more of them, one in each line; read again when it changes.')),
  },
  {
    additionalProperties: false,
    description: 'What applications must show to listeners that ask for it; each listener says whether it does.',
  },
)

export const passthrough = Type.Object(
  {
    maxLogins: integer(32, 'Logins that have connections to Redis at the same time.', { minimum: 1, maximum: 10_000 }),
    connections: integer(2, 'Shared connections per login and endpoint, never more.', { minimum: 1, maximum: 10_000 }),
    leases: integer(16, 'Connections that one application has to itself, per login and endpoint, never more.', {
      minimum: 1,
      maximum: 100_000,
    }),
    recheckInterval: duration('10s', 'How often Redis is asked whether a login is still good.', { min: '100ms' }),
    idleTimeout: duration('1m', 'The connections of a login without applications are closed after so long.'),
  },
  { additionalProperties: false, description: 'Listeners with auth: passthrough, where Redis itself judges logins.' },
)
