import { connect, type OnReadOpts, type Socket } from 'node:net'
import type { Address } from '../config/config.js'
import type { ClientTls } from '../tls/client.js'

/**
 * Opens a connection to a server, in the clear or with TLS. Whatever is written at once is sent when it is open.
 *
 * @param keepAlive ms before the first keepalive probe; 0 for none
 * @param onOpen called when both sides can speak, and the server has proved who it is
 * @param onread where to read into, instead of events with data
 */
export function dial(
  address: Address,
  tls: ClientTls | null,
  keepAlive: number,
  onOpen: () => void,
  onread?: OnReadOpts,
): Socket {
  if (tls !== null && address.kind === 'tcp') {
    const socket = tls.connect(address, onread)
    // A socket of TLS does not take these as options.
    socket.once('connect', () => socket.setNoDelay(true).setKeepAlive(keepAlive > 0, keepAlive))
    return socket.once('secureConnect', onOpen)
  }
  const socket = connect({
    ...(address.kind === 'tcp' ? { host: address.host, port: address.port } : { path: address.path }),
    noDelay: true,
    keepAlive: keepAlive > 0,
    keepAliveInitialDelay: keepAlive,
    ...(onread === undefined ? {} : { onread }),
  })
  return socket.once('connect', onOpen)
}
