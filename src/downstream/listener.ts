import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { describeAddress } from '../config/address.js'
import type { Address, ListenEntry, ListenerRole, Place, Reading } from '../config/config.js'
import type { Prepared } from '../config/part.js'
import { ERROR_FRAMES } from '../errors.js'
import type { Guard } from '../guard/guard.js'
import type { Entrance } from '../sockets/entrance.js'
import type { EventLog } from '../util/log.js'
import { Allowance } from './allowance.js'
import { DownstreamConnection } from './connection.js'
import type { Arrival, DownstreamContext } from './context.js'
import { TlsGate } from './tls-gate.js'

export interface ListenerOptions extends ListenEntry {
  /** Time for a handshake of TLS, ms. */
  handshakeTimeout: number
  role: ListenerRole
  /** Null if its applications only read from primaries. */
  reading: Reading | null
  guard: Guard
  /** Most connections that all listeners together may have. */
  maxConnections: number
}

/** Accepts applications at one address. */
export class Listener {
  #gate: TlsGate | null
  /** That of its connections, which begin where its applications are let in. */
  #inner: DownstreamContext
  /** Null without limits of its own. */
  #allowance: Allowance | null = null
  /** Where it listens, once it does. */
  bound: Address | null = null

  /**
   * @param connections those of all listeners
   * @param handshaking counts those of all listeners that will be connections when TLS is agreed upon
   * @throws PemMistake
   */
  constructor(
    public options: ListenerOptions,
    readonly context: DownstreamContext,
    readonly connections: Set<DownstreamConnection>,
    readonly handshaking: { count: number },
    readonly log: EventLog,
    readonly entrance: Entrance,
  ) {
    this.#gate = this.#makeGate(options)
    this.#inner = this.#innerContext(options)
    this.#limit(options)
  }

  /** Those who are connected go by the limits that they have come under. */
  #limit({ limits }: ListenerOptions): void {
    if (limits === undefined) this.#allowance = null
    else if (this.#allowance === null) this.#allowance = new Allowance(limits, this.context.dispatch.clock)
    else this.#allowance.apply(limits)
  }

  #innerContext({ auth = 'none' }: ListenerOptions): DownstreamContext {
    return { ...this.context, dispatch: this.context.lobby(auth) }
  }

  /**
   * Makes ready to accept by other options at the same address.
   * @throws PemMistake
   */
  prepare(options: ListenerOptions): Prepared {
    const { tls, handshakeTimeout } = this.options
    const same = isDeepStrictEqual(options.tls, tls) && options.handshakeTimeout === handshakeTimeout
    const gate = same ? this.#gate : this.#makeGate(options)
    return {
      commit: () => {
        if (!same) this.#gate?.stop()
        this.#gate = gate
        this.options = options
        this.#inner = this.#innerContext(options)
        this.#limit(options)
      },
      cancel: () => {
        if (!same) gate?.stop()
      },
    }
  }

  #makeGate({ address, tls, handshakeTimeout }: ListenerOptions): TlsGate | null {
    if (tls === null) return null
    const { recorder } = this.context.dispatch
    const gate = { ...tls, listener: describeAddress(address), handshakeTimeout }
    return new TlsGate(gate, this.handshaking, recorder, this.log, (socket) => this.#open(socket))
  }

  /** Resolves with the address that applications can dial, which tells the port if that was left open. */
  async listen(): Promise<Address> {
    return (this.bound = await this.entrance.open((socket) => this.take(socket)))
  }

  /** Where it says that applications can connect to, once it listens; null for a unix socket that announces nothing. */
  get place(): Place | null {
    return this.options.announce ?? (this.bound?.kind === 'tcp' ? this.bound : null)
  }

  close(): void {
    this.entrance.close()
    this.#gate?.stop()
  }

  /** Takes in a connection that has moved here. */
  arrive(socket: Socket, arrival: Arrival): void {
    // What came in the clear is not what this listener lets in any more.
    if (this.#gate === null) this.#open(socket, arrival)
    else socket.destroy()
  }

  /** Lets in a connection that nobody has read from. */
  take(socket: Socket): void {
    const { recorder } = this.context.dispatch
    const full = this.connections.size + this.handshaking.count >= this.options.maxConnections
    const limit = full ? this.options.maxConnections : (this.#allowance?.full ?? null)
    if (limit !== null) {
      recorder.connectionsRefused++
      recorder.error('connectionsExceeded')
      this.log.event('warn', 'connection_refused', { limit })
      socket.on('error', () => socket.destroy())
      // Without a handshake nothing can be said that would be understood.
      if (this.#gate !== null) socket.destroy()
      else socket.end(ERROR_FRAMES.connectionsExceeded, () => socket.destroy())
      return
    }
    recorder.connectionsAccepted++
    if (this.#gate === null) return this.#open(socket)
    socket.allowHalfOpen = false
    this.#gate.take(socket)
  }

  #open(socket: Socket, arrival: Arrival | null = null): void {
    const at = describeAddress(this.options.address)
    const allowance = this.#allowance
    const forget = (connection: DownstreamConnection) => {
      if (!this.connections.delete(connection) || allowance === null) return
      allowance.connections--
      allowance.forget(connection.session)
    }
    if (allowance !== null) allowance.connections++
    const options = { ...this.options, allowance }
    this.connections.add(new DownstreamConnection(socket, this.#inner, at, options, forget, arrival))
  }
}
