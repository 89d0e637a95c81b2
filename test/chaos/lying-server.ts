import { type AddressInfo, createServer, type Socket } from 'node:net'
import { frameEnd } from '../helpers/raw.ts'

/** What a proxy could do wrong. */
export type Lie =
  | 'none'
  | 'neighbour’s reply'
  | 'replies exchanged'
  | 'reply twice'
  | 'reply left out'
  | 'write forgotten'
  | 'write done twice'
  | 'old value'
  | 'transaction torn'

/** One command in so many is lied about. */
const SELDOM = 97

/** A Redis of a few commands in one Map, which now and then tells a lie. */
export async function startLyingServer(lie: Lie): Promise<{ port: number; data: Map<string, string>; stop(): void }> {
  const data = new Map<string, string>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.setNoDelay(true))
    const liar = new Liar(lie, data)
    let bytes = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const replies: string[] = []
      for (let end = frameEnd(bytes, 0); bytes.length > 0 && end > 0; end = frameEnd(bytes, 0)) {
        replies.push(...liar.answer(argumentsOf(bytes.toString('latin1', 0, end))))
        bytes = bytes.subarray(end)
        if (bytes.length === 0) break
      }
      socket.write(replies.join(''))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { port: (server.address() as AddressInfo).port, data, stop }
}

const argumentsOf = (frame: string) => frame.split('\r\n').filter((_, nth) => nth > 0 && nth % 2 === 0)

let commands = 0
/** Of any connection. */
let lastBulk = '$-1\r\n'

class Liar {
  #queue: string[][] | null = null
  #held: string | null = null
  #isResp3 = false

  constructor(
    readonly lie: Lie,
    readonly data: Map<string, string>,
  ) {}

  answer(args: string[]): string[] {
    const isLie = ++commands % SELDOM === 0 && args[0] !== 'HELLO'
    const reply = this.#reply(args, isLie)
    const before = lastBulk
    if (reply.startsWith('$')) lastBulk = reply
    if (this.#held !== null) {
      const held = this.#held
      this.#held = null
      return [reply, held]
    }
    if (!isLie) return [reply]
    if (this.lie === 'neighbour’s reply' && reply.startsWith('$')) return [before]
    if (this.lie === 'replies exchanged') {
      this.#held = reply
      return []
    }
    if (this.lie === 'reply twice') return [reply, reply]
    return this.lie === 'reply left out' ? [] : [reply]
  }

  #reply(args: string[], isLie: boolean): string {
    const [name, key, value, flag] = args
    if (name === 'HELLO') this.#isResp3 = true
    if (name === 'HELLO') return '%1\r\n$7\r\nmodules\r\n*0\r\n'
    if (name === 'MULTI') this.#queue = []
    if (name === 'MULTI') return '+OK\r\n'
    if (name === 'EXEC') return this.#exec(isLie)
    if (this.#queue) {
      this.#queue.push(args)
      return '+QUEUED\r\n'
    }
    const before = this.data.get(key)
    if (name === 'INCR') {
      const count = Number(before ?? 0) + (isLie && this.lie === 'write done twice' ? 2 : 1)
      if (!(isLie && this.lie === 'write forgotten')) this.data.set(key, `${count}`)
      return `:${count}\r\n`
    }
    if (name === 'SET') {
      if (isLie && this.lie === 'old value') return flag === 'GET' ? this.#bulk(older(before)) : '+OK\r\n'
      if (!(isLie && this.lie === 'write forgotten')) this.data.set(key, value)
      return flag === 'GET' ? this.#bulk(before) : '+OK\r\n'
    }
    if (name === 'MGET')
      return `*3\r\n${args
        .slice(1)
        .map((one) => this.#bulk(this.data.get(one)))
        .join('')}`
    if (name === 'ECHO') return this.#bulk(key)
    return this.#bulk(isLie && this.lie === 'old value' ? older(before) : before)
  }

  #exec(isLie: boolean): string {
    const queue = this.#queue!
    this.#queue = null
    const replies = queue.map((args) => this.#reply(args, false))
    if (isLie && this.lie === 'transaction torn') replies.pop()
    return `*${replies.length}\r\n${replies.join('')}`
  }

  #bulk(text: string | undefined): string {
    if (text === undefined) return this.#isResp3 ? '_\r\n' : '$-1\r\n'
    return `$${text.length}\r\n${text}\r\n`
  }
}

/** The value before, as far as values that end in numbers tell. */
function older(value: string | undefined): string | undefined {
  const number = Number(/(\d+)$/.exec(value ?? '')?.[1])
  return number > 1 ? value!.replace(/\d+$/, `${number - 1}`) : undefined
}
