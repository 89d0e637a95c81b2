import Type from 'typebox'
import { describeAddress, parseAddress, parseHost, parsePort, splitHostPort } from './address.js'
import type { Address, TlsVersion, UpstreamTarget } from './config.js'
import { Mistake } from './mistake.js'
import { DURATION_PATTERN, formatDuration, formatSize, parseDuration, parseSize, SIZE_PATTERN } from './units.js'
import { formatUpstreamUrl, parseUpstreamUrl } from './upstream-url.js'

// The kinds of values, each a codec: decoding makes of what the file holds what the program uses, encoding the reverse
// for display. `title` says what a value must be, both to editors and in messages; `writeOnly` marks secrets.

/** Node's timers fire at once when asked for more than 2^31 - 1 ms, which is a little over 24 days. */
const LONGEST = '576h'

interface Range {
  min?: string | number
  max?: string | number
  /** What 0 means, where it is allowed below `min`. */
  zero?: string
}

/** @param byDefault null if it depends on something else, or may be left out */
export function duration(
  byDefault: string | number | null,
  description: string,
  { min = '1ms', max = LONGEST, zero }: Range = {},
) {
  const title = `a duration from ${min} to ${max}${orZero(zero)}, such as 250ms, 2.5s, 5m or 1h, or a number of milliseconds`
  const options = { ...(byDefault === null ? {} : { default: byDefault }), title, description }
  const check = within(parseDuration(min), parseDuration(max), zero, title)
  return Type.Codec(Type.Union([Type.String({ pattern: DURATION_PATTERN }), Type.Integer({ minimum: 0 })], options))
    .Decode((given) => check(parseDuration(given)))
    .Encode(formatDuration)
}

export function size(byDefault: string | number, description: string, { min = 1, max = '64gb', zero }: Range = {}) {
  const title = `a size from ${min} to ${max}${orZero(zero)}, such as 64kb, 512mb or 1gb, or a number of bytes`
  const options = { default: byDefault, title, description }
  const check = within(parseSize(min), parseSize(max), zero, title)
  return Type.Codec(Type.Union([Type.String({ pattern: SIZE_PATTERN }), Type.Integer({ minimum: 0 })], options))
    .Decode((given) => check(parseSize(given)))
    .Encode(formatSize)
}

export function integer(byDefault: number, description: string, range: { minimum: number; maximum: number }) {
  const title = `a whole number from ${range.minimum} to ${range.maximum}`
  return Type.Integer({ default: byDefault, title, description, ...range })
}

export function fraction(byDefault: number, description: string, range: { minimum: number; maximum: number }) {
  const title = `a number from ${range.minimum} to ${range.maximum}`
  return Type.Number({ default: byDefault, title, description, ...range })
}

export function choice<const T extends string>(byDefault: T, description: string, among: readonly T[]) {
  return Type.Enum([...among], { default: byDefault, title: `one of ${among.join(', ')}`, description })
}

/** A switch. */
export function onOff(byDefault: 'on' | 'off', description: string) {
  return Type.Codec(Type.Enum(['on', 'off'], { default: byDefault, title: 'on or off', description }))
    .Decode((given) => given === 'on')
    .Encode((on) => (on ? 'on' : 'off'))
}

/** A list of words, empty by default. */
export function choices<const T extends string>(description: string, among: readonly T[]) {
  const title = `one of ${among.join(', ')}`
  return Type.Array(Type.Enum([...among], { title }), {
    default: [],
    maxItems: among.length,
    title: `a list of at most ${among.length} names`,
    description,
  })
}

export function word(byDefault: string, description: string, maxLength: number) {
  const title = `text of 1 to ${maxLength} printable ASCII characters without spaces`
  return Type.String({ default: byDefault, title, description, pattern: '^[!-~]+$', maxLength })
}

/** A list of names, empty by default. */
export function names(description: string, maxItems: number) {
  const title = 'a name of printable ASCII characters without spaces'
  return Type.Array(Type.String({ title, pattern: '^[!-~]+$', maxLength: 256 }), {
    default: [],
    maxItems,
    title: `a list of at most ${maxItems} names`,
    description,
  })
}

const TEXT = 'text that is not empty (in quotes if it could be read as something else)'

export function text(description: string) {
  return Type.String({ title: TEXT, description, minLength: 1 })
}

/** A program and its arguments, which no shell sees. */
export function program(description: string) {
  const title = 'a list of a program and its arguments'
  return Type.Array(Type.String({ title: 'text without control characters', pattern: '^[^\\x00-\\x1f\\x7f]+$' }), {
    minItems: 1,
    maxItems: 64,
    title,
    description,
  })
}

/** Encoding hides it. */
export function secret(description: string) {
  return Type.Codec(Type.String({ title: TEXT, description, minLength: 1, writeOnly: true }))
    .Decode((given: string): string => given)
    .Encode(() => '***')
}

/** Not shown in messages, since a password may be in it; encoding leaves user and password out. */
export function upstreamUrl(description: string) {
  return Type.Codec(Type.String({ title: 'an upstream URL such as redis://HOST:PORT', description, writeOnly: true }))
    .Decode((given): UpstreamTarget => parseUpstreamUrl(given))
    .Encode(formatUpstreamUrl)
}

const OFF = 'off'
export const ADDRESS = 'an address: HOST:PORT, :PORT or unix:PATH'

export function addressOrOff(byDefault: string, description: string) {
  return Type.Codec(Type.String({ default: byDefault, title: `${ADDRESS}; or ${OFF}`, description }))
    .Decode((given): Address | null => (given === OFF ? null : parseAddress(given)))
    .Encode((address) => (address === null ? OFF : describeAddress(address)))
}

/** Addresses that stand for others; as text, as in a variable, `FROM=TO,FROM=TO`. */
export function addressMap(description: string) {
  const title = 'a map of HOST:PORT to HOST:PORT, or of HOST to HOST'
  const options = { default: {}, title, description }
  return Type.Codec(Type.Union([Type.Record(Type.String(), Type.String()), Type.String()], options))
    .Decode((given): Readonly<Record<string, string>> => {
      const entries = typeof given === 'string' ? pairsOf(given) : Object.entries(given)
      for (const [from, to] of entries) {
        if (withPort(from) !== withPort(to)) throw new Mistake(`must be ${title}, with a port on both sides or on none`)
      }
      return Object.fromEntries(entries)
    })
    .Encode((map) => ({ ...map }))
}

function pairsOf(text: string): [string, string][] {
  return text.split(',').map((pair) => {
    const [from = '', ...to] = pair.split('=')
    return [from.trim(), to.join('=').trim()]
  })
}

/** Checks a host, which may have a port; true if it has. */
function withPort(text: string): boolean {
  const { host, port } = splitHostPort(text)
  parseHost(host)
  if (port !== null) parsePort(port, 1)
  return port !== null
}

export function hostName(description: string) {
  return Type.String({ title: 'a host name or address', description, pattern: '^[\\w.:-]{1,253}$' })
}

/** Where something is sent to. A password does not belong here, as it would be shown. */
export function httpUrl(description: string) {
  const title = 'a URL such as http://HOST:4318/v1/traces, without user or password'
  return Type.String({ title, description, pattern: '^https?://[^/@\\s]+(/\\S*)?$', maxLength: 2048 })
}

/** YAML reads them as numbers, and so they are shown; a variable's are text. */
export const TLS_VERSIONS = [1.2, 1.3, '1.2', '1.3'] as const

export function tlsVersion(byDefault: 1.2 | 1.3, description: string) {
  return Type.Codec(Type.Enum([...TLS_VERSIONS], { default: byDefault, title: '1.2 or 1.3', description }))
    .Decode((given) => String(given) as TlsVersion)
    .Encode((version) => Number(version) as 1.2 | 1.3)
}

function orZero(meaning: string | undefined): string {
  return meaning === undefined ? '' : ` (or 0: ${meaning})`
}

function within(min: number, max: number, zero: string | undefined, title: string): (value: number) => number {
  return (value) => {
    const allowed = (value >= min && value <= max) || (value === 0 && zero !== undefined)
    if (!allowed) throw new Mistake(`must be ${title}`)
    return value
  }
}
