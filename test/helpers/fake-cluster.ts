import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { slotOf } from '../../src/commands/slot.ts'
import { frameEnd } from './raw.ts'

/** What a node is made to say: a frame, null for nothing at all from then on, undefined for what it would say anyway. */
export type Answer = (args: string[], node: FakeNode) => string | null | undefined

const SLOTS = 16_384

/** A cluster whose nodes say what a test has them say, for replies that real ones cannot be made to give at the right moment. */
export class FakeCluster {
  readonly nodes: FakeNode[] = []
  /** Commands without the proxy's own, and who got them, in order. */
  readonly log: { node: number; args: string[] }[] = []
  /** By node: which of them CLUSTER SLOTS says the slots of that one are at. */
  readonly owners: number[] = []
  answer: Answer = () => undefined

  static async start(count = 2): Promise<FakeCluster> {
    const cluster = new FakeCluster()
    for (let nth = 0; nth < count; nth++) {
      cluster.nodes.push(await FakeNode.start(cluster, nth))
      cluster.owners.push(nth)
    }
    return cluster
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  }

  /** A key with a slot of this node; with another number it is another one, in another slot. */
  key(node: number, nth = 0): string {
    for (let i = 0; ; i++) {
      const key = `{${nth}.${i}}`
      if (Math.floor((slotOf(Buffer.from(key)) * this.nodes.length) / SLOTS) === node) return key
    }
  }

  moved(key: string, node: number): string {
    return `-MOVED ${slotOf(Buffer.from(key))} 127.0.0.1:${this.nodes[node].port}\r\n`
  }

  ask(key: string, node: number): string {
    return `-ASK ${slotOf(Buffer.from(key))} 127.0.0.1:${this.nodes[node].port}\r\n`
  }

  /** How often a command came, at any node or at one. */
  count(name: string, node?: number): number {
    return this.log.filter(({ args, node: at }) => args[0].toUpperCase() === name && (node ?? at) === at).length
  }

  /** CLUSTER SLOTS. */
  get slots(): string {
    const { length } = this.nodes
    const rows = this.owners.map((owner, nth) => {
      const [first, next] = [nth, nth + 1].map((part) => Math.ceil((SLOTS * part) / length))
      return `*3\r\n:${first}\r\n:${next - 1}\r\n*3\r\n$9\r\n127.0.0.1\r\n:${this.nodes[owner].port}\r\n$1\r\n${owner}\r\n`
    })
    return `*${rows.length}\r\n${rows.join('')}`
  }

  stop(): void {
    for (const node of this.nodes) node.stop()
  }
}

const HELLO = '%3\r\n+server\r\n+redis\r\n+version\r\n+7.0.15\r\n+mode\r\n+cluster\r\n'
const bulk = (text: string | undefined) => (text === undefined ? '$-1\r\n' : `$${text.length}\r\n${text}\r\n`)

/** A node with a few commands on strings, and transactions. */
export class FakeNode {
  readonly values = new Map<string, string>()
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(cluster: FakeCluster, nth: number): Promise<FakeNode> {
    const node = new FakeNode(cluster, nth)
    await new Promise<void>((resolve) => node.#server.listen(0, '127.0.0.1', resolve))
    return node
  }

  private constructor(
    readonly cluster: FakeCluster,
    readonly nth: number,
  ) {
    this.#server = createServer((socket) => this.#serve(socket))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  stop(): void {
    this.cut()
    this.#server.close()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.#sockets.delete(socket))
    let unread = Buffer.alloc(0)
    let silent = false
    const queue: { of: string[][] | null; failed: boolean } = { of: null, failed: false }
    socket.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk])
      for (let end = frameEnd(unread, 0); end > 0; end = unread.length > 0 ? frameEnd(unread, 0) : 0) {
        const args = argumentsOf(unread.subarray(0, end))
        unread = unread.subarray(end)
        const reply = this.#reply(args, queue)
        if (reply === null) silent = true
        else if (!silent) socket.write(reply)
      }
    })
  }

  #reply(args: string[], queue: { of: string[][] | null; failed: boolean }): string | null {
    const name = args[0].toUpperCase()
    const own = OWN[name]?.(args, this.cluster)
    if (own !== undefined) return own
    this.cluster.log.push({ node: this.nth, args })
    const made = this.cluster.answer(args, this)
    const ends = name === 'EXEC' || name === 'DISCARD'
    if (queue.of !== null && !ends) {
      queue.failed ||= made?.startsWith('-') === true
      queue.of.push(args)
      return made === undefined ? '+QUEUED\r\n' : made
    }
    if (made !== undefined) return made
    if (name === 'MULTI') queue.of = []
    if (!ends) return this.#do(name, args.slice(1))
    const { of: queued, failed } = queue
    queue.of = null
    queue.failed = false
    if (name === 'DISCARD') return '+OK\r\n'
    if (failed || queued === null) return '-EXECABORT Transaction discarded because of previous errors.\r\n'
    return `*${queued.length}\r\n${queued.map(([one, ...rest]) => this.#do(one.toUpperCase(), rest)).join('')}`
  }

  #do(name: string, args: string[]): string {
    const { values } = this
    switch (name) {
      case 'GET':
        return bulk(values.get(args[0]))
      case 'MGET':
        return `*${args.length}\r\n${args.map((key) => bulk(values.get(key))).join('')}`
      case 'INCR':
        values.set(args[0], `${Number(values.get(args[0]) ?? 0) + 1}`)
        return `:${values.get(args[0])}\r\n`
      case 'DBSIZE':
        return `:${values.size}\r\n`
      case 'WAIT':
        return `:${this.nth}\r\n`
      case 'SET':
      case 'MSET':
        for (let i = 0; i < args.length; i += 2) values.set(args[i], args[i + 1])
        return '+OK\r\n'
      default:
        return '+OK\r\n'
    }
  }
}

/** What a proxy asks for itself. */
const OWN: Record<string, (args: string[], cluster: FakeCluster) => string | undefined> = {
  HELLO: () => HELLO,
  CLIENT: () => '+OK\r\n',
  PING: () => '+PONG\r\n',
  COMMAND: () => '*0\r\n',
  CONFIG: () => '-ERR no\r\n',
  CLUSTER: ([, name], { slots }) => (name.toUpperCase() === 'SLOTS' ? slots : undefined),
}

function argumentsOf(frame: Buffer): string[] {
  const lines = frame.toString('latin1').split('\r\n')
  return lines.filter((_, nth) => nth > 0 && nth % 2 === 0 && nth < lines.length - 1)
}
