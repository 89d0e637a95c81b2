import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import type { Respool } from '../helpers/respool.ts'

/** Things to undo, last first, when a suite or a test is over. */
export class Cleanup {
  readonly #steps: (() => unknown)[] = []

  add<T extends { stop(): unknown }>(thing: T): T {
    this.#steps.push(() => thing.stop())
    return thing
  }

  client(client: RawClient): RawClient {
    this.#steps.push(() => client.close())
    return client
  }

  also(step: () => unknown): void {
    this.#steps.push(step)
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step()
  }
}

/** The answer to one command as text; a push may be the answer of a subscriber. */
export async function ask(client: RawClient, ...args: Argument[]): Promise<string> {
  return (await client.call(...args)).toString('latin1')
}

/** Sends commands in one write, and gives their answers. */
export async function pipeline(client: RawClient, commands: Argument[][]): Promise<string[]> {
  client.send(Buffer.concat(commands.map(encode)))
  const replies: string[] = []
  while (replies.length < commands.length) replies.push((await client.frame()).toString('latin1'))
  return replies
}

/** Connections to one port, opened a hundred at a time. */
export async function connectAll(port: number, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  while (clients.length < count) {
    const batch = Math.min(100, count - clients.length)
    clients.push(...(await Promise.all(Array.from({ length: batch }, () => RawClient.connect(port)))))
  }
  return clients
}

/** Who is connected to a server, over a connection of its own that is left out. */
export class Observer {
  private constructor(readonly client: RawClient) {}

  static async connect(port: number): Promise<Observer> {
    return Observer.over(await RawClient.connect(port))
  }

  /** Over a connection that is logged in already. */
  static async over(client: RawClient): Promise<Observer> {
    await client.call('CLIENT', 'SETNAME', 'observer')
    return new Observer(client)
  }

  /** The rows of CLIENT LIST, without the one over which a proxy asks questions of its own. */
  async clients(): Promise<Record<string, string>[]> {
    const text = bulkText(await ask(this.client, 'CLIENT', 'LIST'))
    return text
      .split('\n')
      .filter((line) => line !== '' && !line.includes(' name=observer '))
      .map((line) => Object.fromEntries(line.split(' ').map((field) => field.split(/=(.*)/s, 2) as [string, string])))
      .filter(({ name }) => !name?.endsWith(':control'))
  }

  /** One figure of INFO. */
  async info(section: string, field: string): Promise<number> {
    const text = await ask(this.client, 'INFO', section)
    const value = new RegExp(`^${field}:(-?[\\d.]+)`, 'm').exec(text)?.[1]
    if (value === undefined) throw new Error(`no ${field} in INFO ${section}`)
    return Number(value)
  }

  stop(): void {
    this.client.close()
  }
}

/** What is inside a bulk or verbatim string. */
export function bulkText(frame: string): string {
  return frame.slice(frame.indexOf('\r\n') + 2, -2).replace(/^txt:/, '')
}

/** Keeps the highest of a figure that is taken again and again while something goes on. */
export class Peak {
  highest = -Infinity
  #on = true
  readonly #done: Promise<void>

  constructor(take: () => number | Promise<number>, everyMs = 20) {
    this.#done = (async () => {
      while (this.#on) {
        this.highest = Math.max(this.highest, await take())
        await sleep(everyMs)
      }
    })()
  }

  async stop(): Promise<number> {
    this.#on = false
    await this.#done
    return this.highest
  }
}

/** The highest resident memory of a proxy above what it has now, in bytes. */
export function extraMemory(respool: Respool): Peak {
  const before = respool.rss()
  return new Peak(() => respool.rss() - before)
}

export const MEGABYTE = 1024 * 1024

/** A socket that is read only as far as it is told, for replies that are too large or too many to be kept. */
export class SlowReader {
  readonly socket: Socket
  #taken = 0
  #wake: () => void = () => undefined

  static async connect(port: number): Promise<SlowReader> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new SlowReader(socket)
  }

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('close', () => this.#wake())
    socket.on('readable', () => this.#wake())
  }

  get taken(): number {
    return this.#taken
  }

  /** Writes, waiting whenever the other side does not take it. */
  async send(bytes: Buffer): Promise<void> {
    if (this.socket.write(bytes)) return
    await new Promise<void>((resolve) => {
      const done = () => {
        this.socket.off('drain', done).off('close', done)
        resolve()
      }
      this.socket.once('drain', done).once('close', done)
    })
  }

  /** Reads exactly so many bytes, showing each piece. Fails when the connection ends before. */
  async take(count: number, look: (piece: Buffer) => void = () => undefined): Promise<void> {
    for (let left = count; left > 0;) {
      const piece = (this.socket.read(Math.min(left, this.socket.readableLength)) ??
        this.socket.read()) as Buffer | null
      if (piece !== null) {
        const [mine, more] = [piece.subarray(0, left), piece.subarray(left)]
        if (more.length > 0) this.socket.unshift(more)
        look(mine)
        left -= mine.length
        this.#taken += mine.length
        continue
      }
      if (this.socket.destroyed || this.socket.readableEnded) throw new Error(`ended with ${left} bytes to come`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** The next line, line end included; short ones only. */
  async line(): Promise<string> {
    let text = ''
    while (!text.endsWith('\r\n')) await this.take(1, (piece) => (text += piece.toString('latin1')))
    return text
  }

  close(): void {
    this.socket.destroy()
  }
}
