import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Argument, encode, type RawClient } from '../helpers/raw.ts'

/** What a load works with. */
export interface World {
  readonly port: number
  readonly admin: string
  /** A number that is given once only. */
  unique(): number
  /** Counts commands that were answered. */
  answered(count: number): void
}

/** One round of something that applications do; it leaves no connection behind. Rejects if a reply is wrong. */
type Round = (world: World, client: RawClient) => Promise<void>

export class WrongReply extends Error {}

/** While Redis restarts, these are right, too. */
const OUTAGE = /^-(TRYAGAIN|OUTCOMEUNKNOWN|LOADING|EXECABORT|UNBLOCKED|MISCONF|NOSCRIPT)/

function expect(reply: Buffer, wanted: string | RegExp): void {
  const text =
    reply.length > 200 && typeof wanted === 'string' ? reply.toString('latin1') : reply.toString('latin1', 0, 200)
  const fits = typeof wanted === 'string' ? text === wanted : wanted.test(text)
  if (!fits && !OUTAGE.test(text))
    throw new WrongReply(`${text.slice(0, 100)} in place of ${String(wanted).slice(0, 100)}`)
}

async function check(world: World, client: RawClient, ...commands: [Argument[], string | RegExp][]): Promise<void> {
  client.send(Buffer.concat(commands.map(([command]) => encode(command))))
  for (const [, wanted] of commands) expect(await client.frame(20_000), wanted)
  world.answered(commands.length)
}

const bulk = (value: string) => `$${value.length}\r\n${value}\r\n`
const OK = '+OK\r\n'

/** Nothing may have been written if Redis was away: nil is right then, too. */
const orNil = (value: string) => new RegExp(`^(\\$-1\\r\\n|\\${bulk(value)})$`)

const brief: Round = async (world, client) => {
  const id = `brief:${world.unique() % 1000}`
  await check(world, client, [['SETEX', `${id}:${world.unique()}`, 5, id], OK], [['GET', 'missing'], '$-1\r\n'])
}

const pipelines: Round = async (world, client) => {
  const name = `pipe:${world.unique()}`
  const commands = Array.from({ length: 100 }, (_, nth): [Argument[], string | RegExp] =>
    nth % 2 === 0 ? [['SETEX', name, 5, `${name}/${nth}`], OK] : [['GET', name], orNil(`${name}/${nth - 1}`)],
  )
  for (let round = 0; round < 5; round++) await check(world, client, ...commands)
}

const blocking: Round = async (world, client) => {
  const list = `list:${world.unique() % 8}`
  if (world.unique() % 2 === 0)
    return check(world, client, [['RPUSH', list, 'item'], /^:/], [['EXPIRE', list, 5], /^:/])
  client.send(encode(['BLPOP', list, '0.2']))
  // Some go while they wait.
  if (world.unique() % 3 === 0) return void (await sleep(20))
  expect(await client.frame(20_000), /^(\*2|\*-1)/)
  world.answered(1)
}

const publish: Round = async (world, client) => {
  const channel = `news:${world.unique() % 20}`
  await check(world, client, [['PUBLISH', channel, 'x'.repeat(100)], /^:/], [['SPUBLISH', channel, 'y'], /^:/])
}

const listen: Round = async (world, client) => {
  const protocol = 2 + (world.unique() % 2)
  await check(world, client, [['HELLO', protocol], /^[*%]/])
  const channels = Array.from({ length: 10 }, () => `news:${world.unique() % 20}`)
  client.send(
    Buffer.concat([encode(['SUBSCRIBE', ...channels]), encode(['PSUBSCRIBE', `news:${world.unique() % 10}*`])]),
  )
  // Messages may come between confirmations.
  for (let i = 0; i < 11; i++) expect(await client.frame(20_000), /^[*>][34]\r\n\$\d+\r\np?(subscribe|message)/)
  await sleep(200)
  world.answered(2)
  if (world.unique() % 2 === 0) client.send(encode(['UNSUBSCRIBE']))
}

const transactions: Round = async (world, client) => {
  const key = `counter:${world.unique() % 50}`
  await check(world, client, [['MULTI'], OK], [['INCR', key], '+QUEUED\r\n'], [['EXEC'], /^\*1/])
  for (const one of [['WATCH', key], ['MULTI'], ['INCR', key], ['EXEC']])
    await check(world, client, [one, /^[+*]|^-ERR .*(MULTI|EXEC)/])
  if (world.unique() % 3 === 0) await check(world, client, [['WATCH', key], OK], [['MULTI'], OK])
}

const large: Round = async (world, client) => {
  const bytes = world.unique() % 10 === 0 ? 10_000_000 : 300_000
  const value = `${world.unique()}`.padEnd(bytes, '.')
  const key = `large:${world.unique() % 4}:${bytes}`
  await check(world, client, [['SETEX', key, 5, value], OK], [['GET', key], /^\$/])
}

/** Reads little, and goes in the middle of it. */
const lazy: Round = async (world) => {
  const socket = connect(world.port, '127.0.0.1')
  socket.on('error', () => undefined)
  const key = encode(['SETRANGE', 'lazy', 200_000, 'x'])
  socket.write(Buffer.concat([key, ...Array.from({ length: 200 }, () => encode(['GET', 'lazy']))]))
  for (let i = 0; i < 5; i++) {
    await sleep(50)
    socket.read(10_000)
  }
  socket.destroy()
}

const errors: Round = async (world, client) => {
  const name = `nothing-${world.unique()}`
  await check(
    world,
    client,
    [[name, 'a'], /^-ERR unknown command/],
    [['LPUSH', 'lazy', 'x'], /^(-WRONGTYPE|:)/],
    [['EVALSHA', 'f'.repeat(40), 0], /^-NOSCRIPT/],
    [['DEBUG', 'JMAP'], /^-ERR/],
    [['AUTH', 'wrong', 'wrong'], /^-(WRONGPASS|ERR)/],
  )
  const garbage = ['*1\r\n$-5\r\n', '*3\r\n:1\r\n', '$5\r\nhello\r\n', `GET "${'x'.repeat(100)}\r\n`]
  client.send(garbage[world.unique() % garbage.length])
  await Promise.race([client.closed, sleep(200)])
}

const scripts: Round = async (world, client) => {
  const number = world.unique()
  await check(world, client, [['EVAL', `return ${number}`, 0], `:${number}\r\n`], [['EVAL', 'return 1', 0], ':1\r\n'])
}

const sessions: Round = async (world, client) => {
  await check(
    world,
    client,
    [['SELECT', world.unique() % 4], OK],
    [['CLIENT', 'SETNAME', `soak-${world.unique()}`], OK],
    [['CLIENT', 'TRACKING', 'ON', 'BCAST'], /^[+-]/],
    [['RESET'], '+RESET\r\n'],
    [['CLIENT', 'LIST'], /^\$/],
  )
}

/** Calls the admin port on a connection that ends with it: `fetch` would keep one for later. */
export async function visit(method: string, url: string): Promise<void> {
  const call = request(url, { method, agent: false }).end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  await buffer(response)
}

/** Who looks at it meanwhile. */
const watching: Round = async ({ admin }) => {
  for (const path of ['/metrics', '/stats', '/clients', '/slowlog', '/hotkeys']) await visit('GET', admin + path)
  await sleep(500)
}

/** What goes on at the same time: how many of each. Those that need no connection of their own take none. */
export const LOADS: readonly {
  readonly name: string
  readonly run: Round
  readonly count: number
  readonly alone?: true
}[] = [
  { name: 'connect, command, close', run: brief, count: 24 },
  { name: 'pipelines', run: pipelines, count: 2 },
  { name: 'blocking', run: blocking, count: 8 },
  { name: 'publishing', run: publish, count: 2 },
  { name: 'listening', run: listen, count: 8 },
  { name: 'transactions', run: transactions, count: 4 },
  { name: 'large values', run: large, count: 1 },
  { name: 'slow readers', run: lazy, count: 3, alone: true },
  { name: 'errors', run: errors, count: 2 },
  { name: 'scripts', run: scripts, count: 2 },
  { name: 'sessions', run: sessions, count: 2 },
  { name: 'watching', run: watching, count: 1, alone: true },
]
