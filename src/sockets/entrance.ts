import { createServer, type Server, type Socket } from 'node:net'
import type { Address } from '../config/config.js'
import type { EventLog } from '../util/log.js'
import type { Sockets } from './sockets.js'

/** Where the connections of one listener come from. */
export interface Entrance {
  /** From now on; resolves with the address that applications can dial. */
  open(take: (socket: Socket) => void): Promise<Address>
  /** No more of them. */
  close(): void
}

/** ms before the first keepalive probe on an application's connection. */
const KEEP_ALIVE = 30_000

/** Where the connections at an address come from. */
export type EntranceAt = (address: Address) => Entrance

/** Connections that this process accepts itself. */
export class Accepting implements Entrance {
  readonly #server: Server

  constructor(
    readonly address: Address,
    readonly sockets: Sockets,
    readonly log: EventLog,
  ) {
    this.#server = createServer({
      // Reading starts once it is known who reads, and into what.
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE,
      allowHalfOpen: true,
    })
  }

  async open(take: (socket: Socket) => void): Promise<Address> {
    this.#server.on('connection', take)
    const bound = await this.sockets.listen(this.#server, 'listen', this.address)
    this.#server.on('error', (error) => this.log.event('error', 'accept_failed', { error: error.message }))
    return bound
  }

  close(): void {
    this.sockets.close(this.#server)
  }
}
