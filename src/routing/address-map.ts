import type { Address } from '../config/config.js'
import { describeAddress, splitHostPort } from '../config/address.js'

/**
 * Says where a server is reached that calls itself by some address: behind NAT, or seen from outside of a container network, that is
 * another one.
 *
 * @param map HOST:PORT → HOST:PORT, or HOST → HOST for all of its ports; an entry for the port counts before one for the host
 */
export function translator(map: Readonly<Record<string, string>>): (address: Address) => Address {
  const entries = new Map(Object.entries(map).map(([from, to]) => [from.toLowerCase(), to]))
  return (address) => {
    if (address.kind !== 'tcp') return address
    const { host, port } = address
    const place = entries.get(describeAddress(address).toLowerCase())
    const found = place ?? entries.get(describeHost(host).toLowerCase())
    if (found === undefined) return address
    const to = splitHostPort(found)
    return { kind: 'tcp', host: to.host.replace(/^\[(.*)\]$/, '$1'), port: to.port === null ? port : Number(to.port) }
  }
}

const describeHost = (host: string): string => (host.includes(':') ? `[${host}]` : host)
