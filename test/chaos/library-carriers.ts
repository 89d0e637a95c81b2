import { Redis } from 'ioredis'
import { createClient, ErrorReply as NodeRedisError } from 'redis'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Carrier } from './carrier.ts'
import { ErrorReply, type Reply } from './replies.ts'
import type { Session } from './session.ts'

const PAUSE = 20
/** Commands that a library is given in one turn. */
const AT_ONCE = 12

/** A client library with one connection, which sends nothing again by itself. */
interface Client {
  call(args: readonly string[]): Promise<unknown>
  isErrorReply(error: unknown): error is Error
  isLost(): boolean
  close(): void
}

const OPEN = {
  ioredis: openIoredis,
  'node-redis': openNodeRedis,
}
export type Library = keyof typeof OPEN
export const LIBRARIES = Object.keys(OPEN) as Library[]

function openIoredis(port: number): Promise<Client> {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => undefined)
  return Promise.resolve({
    call: ([name, ...args]) => client.call(name, ...args),
    isErrorReply: (error): error is Error => error instanceof Error && error.name === 'ReplyError',
    isLost: () => client.status === 'close' || client.status === 'end',
    close: () => client.disconnect(),
  })
}

async function openNodeRedis(port: number): Promise<Client> {
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: false } })
  client.on('error', () => undefined)
  await client.connect()
  return {
    call: (args) => client.sendCommand([...args]),
    isErrorReply: (error): error is Error => error instanceof NodeRedisError,
    isLost: () => !client.isOpen,
    close: () => client.isOpen && client.destroy(),
  }
}

/** Carries a session's commands through a client library. */
export class LibraryCarrier implements Carrier {
  #client: Client | null = null
  #going = true
  outstanding = 0
  reconnected = -1

  constructor(
    readonly session: Session,
    readonly port: number,
    readonly library: Library,
  ) {}

  async play(): Promise<void> {
    while (this.#going) {
      const failures = this.session.failures
      if (this.#client === null) await this.#open()
      else await this.#round(this.#client)
      if (this.#client === null || failures !== this.session.failures) await sleep(PAUSE)
    }
    this.abandon()
  }

  stop(): void {
    this.#going = false
  }

  abandon(): void {
    this.#client?.close()
    this.#client = null
  }

  async #open(): Promise<void> {
    this.reconnected++
    // What a library cannot reach now it may reach next time.
    this.#client = await OPEN[this.library](this.port).catch(() => null)
  }

  async #round(client: Client): Promise<void> {
    // A transaction sent as plain commands would set such a library at odds with itself.
    const operations = this.session.batch(AT_ONCE, false)
    const start = performance.now()
    this.outstanding = operations.length
    const settled = operations.map(async (operation) => {
      operation.start = start
      try {
        const reply = (await client.call(operation.args)) as Reply
        this.session.answered(operation, reply, performance.now())
      } catch (error) {
        if (client.isErrorReply(error))
          this.session.answered(operation, new ErrorReply(error.message), performance.now())
        else this.session.unanswered(operation)
      }
      this.outstanding--
    })
    await Promise.all(settled)
    if (!client.isLost()) return
    client.close()
    this.#client = null
  }
}
