import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { splitHostPort } from '../../config/address.js'
import type { ListenerRole, Place } from '../../config/config.js'
import { array, simple } from '../../resp/encode.js'
import type { Places } from '../context.js'
import type { Downstream } from '../downstream.js'
import { code, type Outcome, reply } from './outcome.js'

// What the stand-ins for a cluster and for sentinels have in common.

/** How an IPv4 address is shown on a socket that takes IPv6 too. */
const MAPPED = '::ffff:'

/** Where an application can connect to as it did before: what the listener announces, or else what it has dialled. */
function placeOf({ announce, localAddress }: Downstream): Place | null {
  if (announce !== null) return announce
  const { host, port } = splitHostPort(localAddress)
  // A unix socket has no port, and no client takes a path from a cluster or a sentinel.
  if (port === '0') return null
  const bare = host.startsWith(MAPPED) ? host.slice(MAPPED.length) : ''
  return { host: isIPv4(bare) ? bare : host, port: Number(port) }
}

/** Hosts of listeners on every interface. */
const EVERY = ['', '0.0.0.0', '::']

/** Where an application finds a primary, or a replica: at the listener that it has dialled, or else at the first one that is such a thing. */
export function placeFor({ downstream, reads, context }: Asker, role: ListenerRole): Place | null {
  const dialled = placeOf(downstream)
  const here = reads?.onReplica === true ? 'replica' : 'primary'
  const place = context.standIn.places[role]
  if (here === role) return dialled
  if (place === null || !EVERY.includes(place.host)) return place
  return dialled === null ? null : { host: dialled.host, port: place.port }
}

/** What is to be known of a session for that. */
interface Asker {
  readonly downstream: Downstream
  readonly reads: { readonly onReplica: boolean } | null
  readonly context: { readonly standIn: { readonly places: Places } }
}

/** The answer that depends on where the application can connect to. */
export function located(downstream: Downstream, text: (place: Place) => string): Outcome {
  return at(placeOf(downstream), text)
}

export function at(place: Place | null, text: (place: Place) => string): Outcome {
  return place === null ? code('noPlace') : reply(text(place))
}

/** 40 hexadecimal digits as servers have them for names: the same for the same place, in every process. */
export function identity(role: 'node' | 'shard' | 'primary' | 'replica' | 'sentinel', { host, port }: Place): string {
  return createHash('sha1').update(`respool ${role} ${host} ${port}`).digest('hex')
}

/** A reply to HELP, as containers give it. */
export function help(container: string, lines: readonly (readonly [usage: string, meaning: string])[]): string {
  const texts = [
    `${container} <subcommand> [<argument> ...], as respool answers it:`,
    ...lines.flatMap(([usage, meaning]) => [usage, `    ${meaning}`]),
  ]
  return array(texts.map(simple))
}
