import { once } from 'node:events'
import { lstatSync, renameSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { describeAddress } from '../config/address.js'
import type { Address } from '../config/config.js'
import type { EventLog } from '../util/log.js'
import { type Inherited, nameFor, type Purpose } from './inherited.js'

/** Connections that the kernel may keep ready while the loop is busy: bursts of an application's whole pool come at once. */
const BACKLOG = 4096

/** A server's file descriptor, which Node does not document. */
interface WithDescriptor {
  readonly _handle: { readonly fd: number } | null
}

interface Held {
  readonly address: Address
  /** The socket file that goes when the server closes. */
  readonly path: string | null
}

/**
 * The sockets that this process listens on, its own and inherited ones, and what a successor needs of them.
 *
 *     bind ──► listening ──► closed
 *                  └── handed over ──► closed: the successor has the same sockets, so whoever connects meanwhile waits for it
 *
 * Invariant: a socket file is removed only by the last process that listens on it.
 */
export class Sockets {
  readonly #held = new Map<Server, Held>()

  constructor(readonly inherited: Inherited) {}

  /** Has a server listen; resolves with the address that can be dialled, which tells the port if that was left open. */
  async listen(server: Server, purpose: Purpose, address: Address): Promise<Address> {
    const fd = this.inherited.take(purpose, address)
    const listening = once(server, 'listening')
    if (fd !== null) {
      server.listen({ fd, backlog: BACKLOG })
    } else if (address.kind === 'unix') {
      await refuseTaken(address.path)
      server.listen({ path: temporary(address.path), backlog: BACKLOG })
    } else {
      server.listen({ host: address.host || undefined, port: address.port, backlog: BACKLOG })
    }
    await listening
    if (fd === null && address.kind === 'unix') renameSync(temporary(address.path), address.path)
    const bound = boundTo(server, address)
    this.#held.set(server, { address, path: fd === null && address.kind === 'unix' ? address.path : null })
    return bound
  }

  /** No more connections; the socket file goes too, unless a successor listens on it. */
  close(server: Server): void {
    const held = this.#held.get(server)
    if (held === undefined) return
    this.#held.delete(server)
    server.close()
    if (held.path !== null) unlinkSync(held.path)
  }

  /** Gives up inherited sockets that the configuration does not have. */
  closeUnused(log: EventLog): void {
    for (const name of this.inherited.closeRest()) log.event('warn', 'socket_unused', { socket: name })
  }

  /** What a successor is to inherit. */
  get all(): { name: string; fd: number }[] {
    return [...this.#held].map(([server, { address }]) => ({
      name: nameFor(address),
      fd: (server as unknown as WithDescriptor)._handle!.fd,
    }))
  }

  /** A successor listens on all of them from now on. */
  handedOver(): void {
    for (const [server, held] of this.#held) this.#held.set(server, { ...held, path: null })
  }
}

/**
 * A socket file gets its name only when its server listens, so that nobody finds one that refuses. And Node removes the name that it
 * has bound when a server closes, which would be too early if a successor listens on the same socket.
 */
function temporary(path: string): string {
  return join(dirname(path), `.${process.pid}.sock`)
}

/** A socket file that nobody listens on is left over from a process that was killed, and will be replaced. */
async function refuseTaken(path: string): Promise<void> {
  const socket = connect({ path })
  try {
    await once(socket, 'connect')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    if (code !== 'ECONNREFUSED') throw error
    // An ordinary file refuses connections too.
    if (lstatSync(path).isSocket()) return
  } finally {
    socket.destroy()
  }
  throw new Error(`listen EADDRINUSE: address already in use ${path}`)
}

/** Where a server listens; throws if it was handed a socket that is not the one of its address. */
function boundTo(server: Server, address: Address): Address {
  // Of an inherited unix socket Node cannot tell the path.
  const bound = server.address()
  const isPath = bound === null || typeof bound === 'string'
  const fits = address.kind === 'unix' ? isPath : !isPath && (address.port === 0 || address.port === bound.port)
  if (!fits) {
    const got = isPath ? 'a unix socket' : `${bound.address}:${bound.port}`
    throw new Error(
      `was handed ${got} for ${describeAddress(address)} (see that the sockets are those of the configuration)`,
    )
  }
  return isPath ? address : { kind: 'tcp', host: bound.address, port: bound.port }
}
