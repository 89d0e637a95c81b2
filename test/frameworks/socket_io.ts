import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { equal, host, Inbox, play, port } from '../clients/program.ts'

// Socket.IO: pairs of servers that know of each other through Redis only, and a browser's client at each.

interface Pair {
  servers: [Server, Server]
  sockets: [Socket, Socket]
  /** What each socket has received. */
  inboxes: [Inbox<unknown>, Inbox<unknown>]
  close: () => Promise<void>
}

type Adapter = ReturnType<typeof createAdapter>

async function pair(adapters: [Adapter, Adapter]): Promise<Pair> {
  const [one, other] = await Promise.all(adapters.map(serverAndSocket))
  if (!one || !other) throw new Error('two of each')
  return {
    servers: [one.server, other.server],
    sockets: [one.socket, other.socket],
    inboxes: [one.inbox, other.inbox],
    async close() {
      for (const { socket, server } of [one, other]) {
        socket.disconnect()
        await server.close()
      }
    },
  }
}

async function serverAndSocket(adapter: Adapter) {
  const http = createServer()
  const server = new Server(http, { adapter })
  server.on('connection', (socket) => {
    socket.on('join', async (room: string, done: () => void) => {
      await socket.join(room)
      done()
    })
    socket.on('ask', (text: string, answer: (text: string) => void) => answer(text.toUpperCase()))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const socket = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ['websocket'] })
  const inbox = new Inbox<unknown>()
  socket.on('news', inbox.put)
  socket.on('question', (answer: (text: unknown) => void) => answer(socket.id))
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return { server, socket, inbox }
}

/** Servers join their channels in their own time; this is over when each hears the other. */
async function acquainted({ servers, inboxes }: Pair): Promise<void> {
  for (const server of servers) {
    while (inboxes.some(({ size }) => size === 0)) {
      server.emit('news', 'hello')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    server.emit('news', 'over')
    for (const inbox of inboxes) while ((await inbox.take()) !== 'over');
  }
}

async function broadcast({ servers, inboxes }: Pair): Promise<void> {
  for (const [from, server] of servers.entries()) {
    for (let i = 0; i < 50; i++) server.emit('news', `${from}:${i}`)
    for (const inbox of inboxes) {
      for (let i = 0; i < 50; i++) equal(await inbox.take(), `${from}:${i}`)
    }
  }
}

async function rooms({ servers, sockets, inboxes }: Pair): Promise<void> {
  await sockets[1].emitWithAck('join', 'some')
  servers[0].to('some').emit('news', 'for some')
  servers[0].emit('news', 'for all')
  equal(await inboxes[1].take(), 'for some')
  equal(await inboxes[1].take(), 'for all')
  equal(await inboxes[0].take(), 'for all')
}

/** Requests from one server to all others, which answer. */
async function requests({ servers, sockets }: Pair): Promise<void> {
  const ids = sockets.map(({ id }) => id ?? '').sort()
  const found = await servers[0].fetchSockets()
  equal(found.map(({ id }) => id).sort(), ids)
  const answers = (await servers[1].timeout(5000).emitWithAck('question')) as string[]
  equal(answers.sort(), ids)
  servers[1].on('sum', (a: number, b: number, answer: (sum: number) => void) => answer(a + b))
  equal(await servers[0].serverSideEmitWithAck('sum', 40, 2), [42])
}

async function disconnects({ servers, sockets }: Pair): Promise<void> {
  const gone = new Promise((resolve) => sockets[1].once('disconnect', resolve))
  servers[0].in(sockets[1].id ?? '').disconnectSockets()
  equal(await gone, 'io server disconnect')
}

const publishers = [new Redis(port, host), new Redis(port, host)] as const
const subscribers = publishers.map((client) => client.duplicate())
const classic = await pair([createAdapter(publishers[0], subscribers[0]), createAdapter(publishers[1], subscribers[1])])

const connected = () => createClient({ socket: { host, port } }).connect()
const clients = [await connected(), await connected(), await connected(), await connected()] as const
const sharded = await pair([
  createShardedAdapter(clients[0], clients[1]) as unknown as Adapter,
  createShardedAdapter(clients[2], clients[3]) as unknown as Adapter,
])

await play(
  {
    'adapter: servers find each other': () => acquainted(classic),
    'adapter: broadcasts': () => broadcast(classic),
    'adapter: rooms': () => rooms(classic),
    'adapter: requests': () => requests(classic),
    'adapter: disconnecting a socket elsewhere': () => disconnects(classic),
    'sharded adapter: servers find each other': () => acquainted(sharded),
    'sharded adapter: broadcasts': () => broadcast(sharded),
    'sharded adapter: rooms': () => rooms(sharded),
    'sharded adapter: requests': () => requests(sharded),
    'sharded adapter: disconnecting a socket elsewhere': () => disconnects(sharded),
    async close() {
      await Promise.all([classic.close(), sharded.close()])
      for (const client of [...publishers, ...subscribers]) await client.quit()
      for (const client of clients) await client.close()
    },
  },
  30_000,
)
