import Type from 'typebox'
import { ACTIONS, type Action, KEY_NAMES, type Rule } from './config.js'
import { choice, duration, integer, names, onOff, size } from './kinds.js'
import { Mistake } from './mistake.js'

// The part of the configuration that guards Redis from its applications, and helps to find what burdens it.

/** The categories that commands have in ACLs, but for those that only speak of their speed. */
export const CATEGORIES = [
  ...['admin', 'bitmap', 'blocking', 'connection', 'dangerous', 'geo', 'hash', 'hyperloglog', 'keyspace', 'list'],
  ...['pubsub', 'read', 'scripting', 'set', 'sortedset', 'stream', 'string', 'transaction', 'write'],
]

/** What a session cannot do without, so that it is always allowed. */
export const INDISPENSABLE: readonly string[] = ['auth', 'discard', 'exec', 'hello', 'quit', 'reset']

const RULE = 'a rule such as "warn keys flushall", "deny @dangerous config|set" or "deny @write ~session:*"'
const NAME = /^[\w.:-]+(\|[\w.:-]+)?$/

/** @throws Mistake */
export function parseRule(text: string): Rule {
  const [first = '', ...words] = text.trim().split(/\s+/)
  const action = ACTIONS.find((each) => each === first.toLowerCase())
  if (action === undefined) throw new Mistake(`must be ${RULE}: its first word is allow, warn or deny`)
  if (words.length === 0) throw new Mistake(`must be ${RULE}: behind ${action} stands what it is for`)
  const behind = (sign: string) => words.filter((word) => word.startsWith(sign)).map((word) => word.slice(1))
  const [keys, channels] = [behind('~'), behind('&')]
  const commands = words.filter((word) => !/^[~&]/.test(word)).map((word) => word.toLowerCase())
  for (const word of commands) check(word)
  return { action, commands: commands.length === 0 ? ['@all'] : commands, keys, channels }
}

function check(word: string): void {
  const category = word.startsWith('@') ? word.slice(1) : null
  if (category === null ? !NAME.test(word) : category !== 'all' && !CATEGORIES.includes(category)) {
    const known = ['all', ...CATEGORIES].map((each) => `@${each}`).join(', ')
    throw new Mistake(
      `must be ${RULE}, with names of commands, patterns of keys behind a ~ and of channels behind a &, or some of ${known}`,
    )
  }
  if (INDISPENSABLE.includes(word))
    throw new Mistake(
      `must not name ${word}, which sessions cannot do without (a rule for multi concerns transactions)`,
    )
}

export function formatRule({ action, commands, keys, channels }: Rule): string {
  return [action, ...commands, ...formatPatterns({ keys, channels })].join(' ')
}

export function formatPatterns({ keys, channels }: Pick<Rule, 'keys' | 'channels'>): string[] {
  return [...keys.map((key) => `~${key}`), ...channels.map((channel) => `&${channel}`)]
}

/** The first that fits a command decides. */
export function rules(byDefault: readonly string[] | null, description: string) {
  const item = Type.Codec(Type.String({ title: RULE, maxLength: 1024 }))
    .Decode(parseRule)
    .Encode(formatRule)
  const options = { maxItems: 64, title: 'a list of at most 64 rules', description }
  return Type.Array(item, byDefault === null ? options : { default: [...byDefault], ...options })
}

const LOOK: readonly Action[] = ACTIONS

function section<const T extends Record<string, Type.TSchema>>(description: string, keys: T) {
  return Type.Object(keys, { additionalProperties: false, description })
}

const act = (byDefault: Action, what: string) =>
  choice(
    byDefault,
    `What becomes of ${what}: nothing (allow), a line in the log and a count (warn), or an error (deny).`,
    [...LOOK],
  )

export const guard = section('What applications should rather not do, and what is noted of what they do.', {
  rules: rules(
    ['warn keys flushall flushdb swapdb save monitor config|set'],
    'Commands that are allowed, warned of or denied; the first rule that fits decides, after those of the listener itself.',
  ),
  audit: onOff(
    'off',
    'Denies nothing, and reports what would be denied and what else becomes of commands, in GET /audit.',
  ),
  keyNames: choice('hash', 'How keys are shown in the log, the slow log and the hot keys.', KEY_NAMES),
  bigRequest: section('Requests that are larger than they should be.', {
    bytes: size('10mb', 'The largest that is not.'),
    action: act('warn', 'larger ones'),
  }),
  bigReply: section('Replies that are larger than they should be.', {
    bytes: size('10mb', 'The largest that is not.'),
    action: choice(
      'warn',
      'What becomes of larger ones, which have come already: nothing, or a line in the log and a count.',
      ['allow', 'warn'],
    ),
  }),
  manyKeys: section('DEL and UNLINK of more keys at once than there should be.', {
    keys: integer(1000, 'The most.', { minimum: 1, maximum: 2 ** 31 - 1 }),
    action: act('warn', 'those with more'),
  }),
  endlessBlock: act('allow', 'blocking calls that may wait for ever'),
  noTtl: section('Keys that are written without a time to live though they should have one.', {
    prefixes: names('What their names begin with.', 64),
    action: act('warn', 'SET, SETNX, GETSET, MSET and MSETNX that leave such a key without one'),
  }),
  slowLog: section('The slowest commands, in GET /slowlog.', {
    threshold: duration('100ms', 'From how long on a command is noted.', { zero: 'never' }),
    entries: integer(256, 'How many are kept; the oldest leave first.', { minimum: 1, maximum: 10_000 }),
  }),
  hotKeys: section('The keys that are used most, in GET /hotkeys.', {
    sample: integer(100, 'One command in so many is looked at; 0 for none.', { minimum: 0, maximum: 1_000_000 }),
    keys: integer(100, 'How many keys are kept count of.', { minimum: 1, maximum: 1000 }),
  }),
})
