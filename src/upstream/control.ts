import { connect, type Socket } from 'node:net'
import RedisParser from 'redis-parser'
import { command } from '../resp/encode.js'
import type { Endpoint } from './endpoint.js'

/** Unused for so long, a control connection is closed, ms. */
const IDLE = 1000

interface Call {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/**
 * Asks Redis questions of the proxy's own, whose answers are read and not passed on: what commands it has, how it is
 * configured. Speaks RESP2 on a connection that is opened for the occasion.
 */
export class ControlClient {
  #socket: Socket | null = null
  #calls: Call[] = []

  constructor(readonly endpoint: Endpoint) {}

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
    const { address, settings, clientName } = this.endpoint
    const { target, connectTimeout } = settings.upstream
    const socket = connect(address.kind === 'tcp' ? { host: address.host, port: address.port } : { path: address.path })
    const parser = new RedisParser({
      returnReply: (value: unknown) => this.#calls.shift()?.resolve(value),
      returnError: (error: Error) => this.#calls.shift()?.reject(error),
      returnFatalError: (error: Error) => socket.destroy(error),
    })
    const fail = (error: Error) => {
      socket.destroy()
      if (this.#socket === socket) this.#socket = null
      for (const call of this.#calls.splice(0)) call.reject(error)
    }
    socket.on('data', (chunk: Buffer) => parser.execute(chunk))
    socket.once('error', fail)
    socket.once('close', () => fail(new Error('connection closed')))
    socket.setTimeout(Math.max(IDLE, connectTimeout), () => fail(new Error('no answer in time')))
    const greetings = [['CLIENT', 'SETNAME', `${clientName}:control`]]
    if (target.password !== null) {
      greetings.unshift(['AUTH', ...(target.username === null ? [] : [target.username]), target.password])
    }
    for (const greeting of greetings) {
      // A refused login shows in the answers to what is asked.
      this.#calls.push({ resolve: () => {}, reject: () => {} })
      socket.write(command(...greeting.map((text) => Buffer.from(text).toString('latin1'))), 'latin1')
    }
    return socket
  }
}
