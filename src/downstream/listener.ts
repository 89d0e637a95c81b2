import { once } from 'node:events'
import { lstatSync, unlinkSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { describeAddress } from '../config/address.js'
import type { Address, ListenerRole, ListenerTls, Place, Pooling, Reading } from '../config/config.js'
import { ERROR_FRAMES } from '../errors.js'
import type { EventLog } from '../util/log.js'
import { DownstreamConnection, type DownstreamContext } from './connection.js'
import { TlsGate } from './tls-gate.js'

/** Connections that the kernel may keep ready while the loop is busy: bursts of an application's whole pool come at once. */
const BACKLOG = 4096
/** ms before the first keepalive probe on an application's connection. */
const KEEP_ALIVE = 30_000

export interface ListenerOptions {
  address: Address
  pooling: Pooling
  announce: Place | null
  tls: ListenerTls | null
  /** Time for a handshake of TLS, ms. */
  handshakeTimeout: number
  role: ListenerRole
  /** Null if its applications only read from primaries. */
  reading: Reading | null
  /** Most connections that all listeners together may have. */
  maxConnections: number
}

/** Accepts applications at one address. */
export class Listener {
  readonly #server: Server
  readonly #gate: TlsGate | null
  #bound: Address | null = null

  /**
   * @param connections those of all listeners
   * @param handshaking counts those of all listeners that will be connections when TLS is agreed upon
   * @throws PemMistake
   */
  constructor(
    readonly options: ListenerOptions,
    readonly context: DownstreamContext,
    readonly connections: Set<DownstreamConnection>,
    readonly handshaking: { count: number },
    readonly log: EventLog,
  ) {
    const { address, tls, handshakeTimeout } = options
    const gate = tls && { ...tls, listener: describeAddress(address), handshakeTimeout }
    const { recorder } = context.dispatch
    this.#gate = gate && new TlsGate(gate, handshaking, recorder, log, (socket) => this.#open(socket))
    this.#server = createServer(
      {
        // Reading starts once it is known who reads, and into what; TLS reads by itself.
        pauseOnConnect: gate === null,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE,
        allowHalfOpen: gate === null,
      },
      (socket) => this.#accept(socket),
    )
  }

  /** Resolves with the address that applications can dial, which tells the port if that was left open. */
  async listen(): Promise<Address> {
    const { address } = this.options
    if (address.kind === 'unix') await removeStaleSocket(address.path)
    const place =
      address.kind === 'tcp' ? { host: address.host || undefined, port: address.port } : { path: address.path }
    this.#server.listen({ ...place, backlog: BACKLOG })
    await once(this.#server, 'listening')
    this.#server.on('error', (error) => this.log.event('error', 'accept_failed', { error: error.message }))
    const bound = this.#server.address() as AddressInfo | string
    return (this.#bound = typeof bound === 'string' ? address : { kind: 'tcp', host: bound.address, port: bound.port })
  }

  /** Where it says that applications can connect to, once it listens; null for a unix socket that announces nothing. */
  get place(): Place | null {
    return this.options.announce ?? (this.#bound?.kind === 'tcp' ? this.#bound : null)
  }

  close(): void {
    this.#server.close()
    this.#gate?.stop()
  }

  #accept(socket: Socket): void {
    const { recorder } = this.context.dispatch
    if (this.connections.size + this.handshaking.count >= this.options.maxConnections) {
      recorder.connectionsRefused++
      recorder.error('connectionsExceeded')
      this.log.event('warn', 'connection_refused', { limit: this.options.maxConnections })
      socket.on('error', () => socket.destroy())
      // Without a handshake nothing can be said that would be understood.
      if (this.#gate !== null) socket.destroy()
      else socket.end(ERROR_FRAMES.connectionsExceeded, () => socket.destroy())
      return
    }
    recorder.connectionsAccepted++
    if (this.#gate === null) this.#open(socket)
    else this.#gate.take(socket)
  }

  #open(socket: Socket): void {
    const { address, pooling, announce, reading } = this.options
    // As Redis shows the connections of its unix socket.
    const unixName = address.kind === 'unix' ? `${address.path}:0` : ''
    const forget = (connection: DownstreamConnection) => this.connections.delete(connection)
    this.connections.add(new DownstreamConnection(socket, this.context, unixName, pooling, announce, reading, forget))
  }
}

/** Removes a socket file that nobody listens on: it is left over from a process that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const socket = connect({ path })
  try {
    await once(socket, 'connect')
  } catch (error) {
    // An ordinary file refuses connections too.
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' && lstatSync(path).isSocket()) unlinkSync(path)
  } finally {
    socket.destroy()
  }
}
