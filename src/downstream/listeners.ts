import type { Socket } from 'node:net'
import { describeAddress } from '../config/address.js'
import type { Config } from '../config/config.js'
import type { Prepared } from '../config/part.js'
import type { EntranceAt } from '../sockets/entrance.js'
import type { EventLog } from '../util/log.js'
import type { DownstreamConnection } from './connection.js'
import type { Arrival, DownstreamContext } from './context.js'
import { Listener, type ListenerOptions } from './listener.js'

/** All listeners, which share connections and limits. */
export class Listeners {
  readonly connections = new Set<DownstreamConnection>()
  readonly #handshaking = { count: 0 }
  #all: Listener[]

  /** @throws PemMistake */
  constructor(
    config: Config,
    readonly context: DownstreamContext,
    readonly log: EventLog,
    readonly entranceAt: EntranceAt,
  ) {
    this.#all = this.#optionsOf(config).map((options) => this.#create(options))
  }

  /** The addresses that applications can dial. */
  get listening(): string[] {
    return this.#all.flatMap(({ bound }) => (bound === null ? [] : describeAddress(bound)))
  }

  async listen(): Promise<void> {
    for (const listener of this.#all) await listener.listen()
    this.#announce()
  }

  /** Connections that are there or will be when TLS is agreed upon. */
  get size(): number {
    return this.connections.size + this.#handshaking.count
  }

  /** Takes in a connection that another process has let in, or that has moved here; one whose listener is no more has to go. */
  arrive(at: string, socket: Socket, arrival: Arrival | null): void {
    const listener = this.#all.find(({ options }) => describeAddress(options.address) === at)
    if (listener === undefined) socket.destroy()
    else if (arrival === null) listener.take(socket)
    else listener.arrive(socket, arrival)
  }

  /** Takes no new connections; those that there are stay. */
  close(): void {
    for (const listener of this.#all) listener.close()
  }

  /**
   * Listens where another configuration adds a listener, and makes ready for the rest of it. Fails, and leaves nothing behind, if
   * that is not possible.
   */
  async prepare(config: Config): Promise<Prepared> {
    const unmatched = [...this.#all]
    const kept: Listener[] = []
    const steps: Prepared[] = []
    const cancel = () => {
      for (const step of steps) step.cancel()
    }
    try {
      for (const options of this.#optionsOf(config)) {
        const name = describeAddress(options.address)
        const at = unmatched.findIndex((one) => describeAddress(one.options.address) === name)
        const [same] = at === -1 ? [] : unmatched.splice(at, 1)
        const listener = same ?? this.#create(options)
        kept.push(listener)
        if (same !== undefined) steps.push(same.prepare(options))
        else {
          steps.push({ commit: () => {}, cancel: () => listener.close() })
          await listener.listen()
        }
      }
    } catch (error) {
      cancel()
      throw error
    }
    const commit = () => {
      for (const step of steps) step.commit()
      for (const listener of unmatched) listener.close()
      this.#all = kept
      this.#announce()
    }
    return { commit, cancel }
  }

  #create(options: ListenerOptions): Listener {
    return new Listener(
      options,
      this.context,
      this.connections,
      this.#handshaking,
      this.log,
      this.entranceAt(options.address),
    )
  }

  #optionsOf(config: Config): ListenerOptions[] {
    const { connections: maxConnections, handshakeTimeout } = config.limits
    // One Redis has no others to read from.
    const single = config.upstream.target.kind === 'standalone'
    return config.listen.map((listen) => {
      const reading = single || listen.reads === 'primary' ? null : listen
      return { ...listen, reading, guard: this.context.guards.of(listen), maxConnections, handshakeTimeout }
    })
  }

  /** Has sessions know what to tell those who ask where to connect. */
  #announce(): void {
    const { places } = this.context.dispatch.standIn
    for (const role of ['primary', 'replica'] as const)
      places[role] = this.#all.find(({ options, place }) => options.role === role && place !== null)?.place ?? null
  }
}
