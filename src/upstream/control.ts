import type { Socket } from 'node:net'
import RedisParser from 'redis-parser'
import type { Address } from '../config/config.js'
import { command } from '../resp/encode.js'
import type { ClientTls } from '../tls/client.js'
import { dial } from './dial.js'
import { auth } from './handshake.js'
import type { UpstreamLogin } from './login.js'

interface Call {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** Whom to ask, and as whom. */
export interface ControlPeer {
  readonly address: Address
  /** Null to dial in the clear. */
  readonly tls: ClientTls | null
  /** Of the connections in CLIENT LIST; `:control` is put behind it. */
  readonly clientName: string
  readonly login: UpstreamLogin
  /** Time to connect, and to answer; and after which an unused connection is closed. ms */
  readonly timeout: number
}

/**
 * Asks Redis, or a sentinel, questions of the proxy's own, whose answers are read and not passed on: what commands it has, how it is
 * configured, where the primary is. Speaks RESP2 on a connection that is opened for the occasion, and closed when it has been silent for
 * a while, unless `onMessage` shall hear what comes unasked.
 */
export class ControlClient {
  #socket: Socket | null = null
  #calls: Call[] = []

  /** @param onMessage hears messages of subscriptions, and null when the connection with them is lost */
  constructor(
    readonly peer: ControlPeer,
    readonly onMessage: ((message: unknown) => void) | null = null,
  ) {}

  /** Rejects with Redis's error, or when there is no answer in time. */
  call(...args: string[]): Promise<unknown> {
    const socket = (this.#socket ??= this.#open())
    return new Promise((resolve, reject) => {
      this.#calls.push({ resolve, reject })
      socket.write(command(...args), 'latin1')
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #open(): Socket {
    const { address, tls, clientName, login, timeout } = this.peer
    const socket = dial(address, tls, 0, () => {})
    const parser = new RedisParser({
      returnReply: (value: unknown) => {
        if (isMessage(value) && this.onMessage !== null) this.onMessage(value)
        else this.#calls.shift()?.resolve(value)
      },
      returnError: (error: Error) => this.#calls.shift()?.reject(error),
      returnFatalError: (error: Error) => socket.destroy(error),
    })
    const fail = (error: Error) => {
      socket.destroy()
      if (this.#socket !== socket) return
      this.#socket = null
      this.onMessage?.(null)
      for (const call of this.#calls.splice(0)) call.reject(error)
    }
    socket.on('data', (chunk: Buffer) => parser.execute(chunk))
    socket.once('error', (error) => fail(tls === null ? error : new Error(tls.explain(error))))
    socket.once('close', () => fail(new Error('connection closed')))
    socket.setTimeout(timeout, () => {
      if (this.onMessage === null || this.#calls.length > 0) fail(new Error('no answer in time'))
    })
    // The best comes last: a login that is refused leaves the one before in force. That all are shows in the answers to what is asked.
    const logins = login.candidates.filter(({ password }) => password !== null).map(auth)
    for (const greeting of [...logins.reverse(), command('CLIENT', 'SETNAME', `${clientName}:control`)]) {
      this.#calls.push({ resolve: () => {}, reject: () => {} })
      socket.write(greeting, 'latin1')
    }
    return socket
  }
}

const isMessage = (value: unknown): boolean => Array.isArray(value) && value[0] === 'message'
