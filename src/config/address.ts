import { isIPv6 } from 'node:net'
import type { Address, Place } from './config.js'
import { Mistake, shown } from './mistake.js'

export const HIGHEST_PORT = 65_535

const UNIX = 'unix:'
const HOST = /^[\w.-]+$/

/**
 * Parses `HOST:PORT`, `:PORT` (every interface), `[IPV6]:PORT` or `unix:PATH`. Port 0 means any free port.
 *
 * @throws Mistake
 */
export function parseAddress(text: string): Address {
  if (text.startsWith(UNIX)) {
    const path = text.slice(UNIX.length)
    if (path === '') throw new Mistake('must have a path after unix:, as in unix:/run/respool.sock')
    return { kind: 'unix', path }
  }
  const { host, port } = splitHostPort(text)
  if (port === null) throw new Mistake(`must be HOST:PORT, :PORT or unix:PATH, not ${shown(text)}`)
  return { kind: 'tcp', host: host === '' ? '' : parseHost(host), port: parsePort(port, 0) }
}

/**
 * Parses `HOST:PORT` as something that others can dial.
 *
 * @throws Mistake
 */
export function parsePlace(text: string): Place {
  const { host, port } = splitHostPort(text)
  if (port === null) throw new Mistake(`must announce HOST:PORT, not ${shown(text)}`)
  return { host: parseHost(host), port: parsePort(port, 1) }
}

/** The address as it is written in the configuration; also the name of an endpoint. */
export function describeAddress(address: Address): string {
  if (address.kind === 'unix') return UNIX + address.path
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}

/** Splits at the colon before the port, if there is one: an IPv6 address in brackets has colons of its own. */
export function splitHostPort(text: string): { host: string; port: string | null } {
  const colon = text.lastIndexOf(':')
  if (colon === -1 || text.endsWith(']')) return { host: text, port: null }
  return { host: text.slice(0, colon), port: text.slice(colon + 1) }
}

/** Checks a host name or address, and takes an IPv6 address out of its brackets. */
export function parseHost(text: string): string {
  if (text.startsWith('[') && text.endsWith(']') && isIPv6(text.slice(1, -1))) return text.slice(1, -1)
  if (HOST.test(text)) return text
  throw new Mistake('must have a host name, an IPv4 address or an IPv6 address in brackets before the port')
}

export function parsePort(text: string, lowest: number): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity
  if (port >= lowest && port <= HIGHEST_PORT) return port
  throw new Mistake(`must have a port from ${lowest} to ${HIGHEST_PORT}`)
}

/**
 * True if a connection to `target` ends at a listener on `listener`, as far as that can be told without asking the
 * network: same address, or a loopback one where the listener takes every interface.
 */
export function reaches(target: Address, listener: Address): boolean {
  if (target.kind === 'unix' || listener.kind === 'unix') {
    return target.kind === 'unix' && listener.kind === 'unix' && target.path === listener.path
  }
  if (target.port !== listener.port || target.port === 0) return false
  const covered = hostsOf(listener.host)
  return hostsOf(target.host).some((host) => covered.includes(host))
}

const V4_LOOPBACK = '127.0.0.1'
const V6_LOOPBACK = '::1'

/** A host, with what it includes of the loopback addresses. */
function hostsOf(host: string): string[] {
  const name = host.toLowerCase()
  switch (name) {
    case 'localhost':
    case '':
    case '::':
      return [name, V4_LOOPBACK, V6_LOOPBACK]
    case '0.0.0.0':
      return [name, V4_LOOPBACK]
    default:
      return [name]
  }
}
