/**
 * RESP frames as latin1 text, one character a byte: what respool says itself, which is short.
 * Nulls, maps and doubles differ by protocol, so those take it.
 */
export type Protocol = 2 | 3

export const OK = '+OK\r\n'
export const QUEUED = '+QUEUED\r\n'
export const PONG = '+PONG\r\n'

/** An error frame. Line ends in the text, which may hold what an application sent, become spaces, as in Redis. */
export const error = (text: string): string => `-${text.replace(/[\r\n]/g, ' ')}\r\n`
/** An application's text as Redis shows it in an error: up to the first NUL, and not too long. */
export const quoted = (text: string): string => text.replace(/\0.*$/s, '').slice(0, 128)
export const simple = (text: string): string => `+${text}\r\n`
export const integer = (value: number): string => `:${value}\r\n`
export const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
export const array = (items: readonly string[]): string => `*${items.length}\r\n${items.join('')}`
export const nullReply = (protocol: Protocol): string => (protocol === 3 ? '_\r\n' : '$-1\r\n')

/** What stands in place of an array. */
export const nullArray = (protocol: Protocol): string => (protocol === 3 ? '_\r\n' : '*-1\r\n')

/** Pairs of a name and an encoded value: a map in RESP3, a flat array in RESP2. */
export function map(protocol: Protocol, pairs: readonly (readonly [string, string])[]): string {
  const body = pairs.map(([name, value]) => bulk(name) + value).join('')
  return protocol === 3 ? `%${pairs.length}\r\n${body}` : `*${pairs.length * 2}\r\n${body}`
}

/** Text that only a person reads: verbatim in RESP3, a bulk string in RESP2. */
export const verbatim = (protocol: Protocol, text: string): string =>
  protocol === 3 ? `=${text.length + 4}\r\ntxt:${text}\r\n` : bulk(text)

export const set = (protocol: Protocol, items: readonly string[]): string =>
  `${protocol === 3 ? '~' : '*'}${items.length}\r\n${items.join('')}`

/** A request frame. */
export const command = (...args: readonly string[]): string => array(args.map(bulk))
