/**
 * A thousand subscribers on one connection to Redis: each message once, in order, at each; then what happens to them when that
 * connection is killed, when Redis goes away, and when one of them does not read.
 * FANOUT_MESSAGES=n changes the number of messages per channel.
 */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, extraMemory, MEGABYTE, Observer } from '../integration/support.ts'

const SUBSCRIBERS = 1000
const CHANNELS = 10
const MESSAGES = Number(process.env['FANOUT_MESSAGES'] ?? 10_000)
const PER_CHANNEL = SUBSCRIBERS / CHANNELS

const channelName = (nth: number) => `channel-${nth}`
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
const message = (protocol: number, channel: string, text: string) =>
  `${protocol === 3 ? '>' : '*'}3\r\n${bulk('message')}${bulk(channel)}${bulk(text)}`

/** Compares what comes with what should, byte by byte, while it comes. All of them read into one buffer. */
class Checker {
  static readonly #buffer = Buffer.alloc(64 * 1024)
  readonly socket: Socket
  /** Null for anything. */
  expected: Buffer | null = null
  at = 0
  fault: string | null = null

  constructor(port: number) {
    const onread = {
      buffer: Checker.#buffer,
      callback: (size: number) => {
        this.#take(size)
        return true
      },
    }
    this.socket = connect({ port, host: '127.0.0.1', onread })
    this.socket.on('close', () => (this.fault ??= 'closed'))
    this.socket.on('error', (error) => (this.fault ??= error.message))
  }

  /** Sends commands and expects that to come next. */
  send(commands: string[][], expected: string): void {
    this.expected = Buffer.from(expected, 'latin1')
    this.at = 0
    this.socket.write(Buffer.concat(commands.map(encode)))
  }

  get done(): boolean {
    if (this.fault !== null) throw new Error(this.fault)
    return this.expected === null ? this.at > 0 : this.at === this.expected.length
  }

  #take(size: number): void {
    if (this.expected === null) {
      this.at += size
      return
    }
    const end = Math.min(this.expected.length, this.at + size)
    if (end - this.at !== size || Checker.#buffer.compare(this.expected, this.at, end, 0, size) !== 0) {
      this.fault ??= `other bytes than expected at ${this.at}: ${Checker.#buffer.toString('latin1', 0, Math.min(size, 100))}`
    }
    this.at = end
  }
}

describe('a thousand subscribers', { timeout: 180_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let direct: RawClient
  const checkers: Checker[] = []
  const protocolOf = (nth: number) => (Math.floor(nth / CHANNELS) % 2 === 0 ? 2 : 3)
  const allDone = () => checkers.every((one) => one.done)

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
    direct = suite.client(await RawClient.connect(redis.port))
  })
  after(async () => {
    for (const { socket } of checkers) socket.destroy()
    await suite.run()
  })

  const carriers = async () => (await observer.clients()).filter(({ flags }) => flags.includes('P'))

  /** Publishes to all channels in turn, and checks what each is said to reach. */
  async function publish(texts: number, text: (nth: number) => string, reached: number): Promise<void> {
    const publisher = new Checker(respool.port)
    const batch = 500
    for (let from = 0; from < texts; from += batch) {
      const commands: string[][] = []
      for (let nth = from; nth < Math.min(texts, from + batch); nth++) {
        for (let channel = 0; channel < CHANNELS; channel++) commands.push(['PUBLISH', channelName(channel), text(nth)])
      }
      publisher.send(commands, `:${reached}\r\n`.repeat(commands.length))
      await until(() => publisher.done, 'all replies have come')
    }
    publisher.socket.destroy()
  }

  /** Publishes the same text to all channels, whatever it reaches. */
  async function publishInOutage(publisher: RawClient, text: string): Promise<void> {
    for (let channel = 0; channel < CHANNELS; channel++) publisher.send(encode(['PUBLISH', channelName(channel), text]))
    for (let left = CHANNELS; left > 0; left--) assert.match((await publisher.frame()).toString(), /^:\d+\r\n$/)
  }

  it('are one to Redis, and are confirmed each', async () => {
    for (let nth = 0; nth < SUBSCRIBERS; nth++) {
      const checker = new Checker(respool.port)
      checkers.push(checker)
      const protocol = protocolOf(nth)
      const channel = channelName(nth % CHANNELS)
      // The answer has an id in it.
      checker.socket.write(encode(['HELLO', protocol]))
      while (!checker.done) await nextTurn()
      const confirmed = `${protocol === 3 ? '>' : '*'}3\r\n${bulk('subscribe')}${bulk(channel)}:1\r\n`
      checker.send([['SUBSCRIBE', channel]], confirmed)
    }
    await until(allDone, 'all are subscribed')
    const [carrier, ...others] = await carriers()
    assert.deepEqual(others, [])
    assert.equal(carrier.sub, String(CHANNELS))
    assert.equal(await respool.metric('respool_pubsub_subscriptions'), SUBSCRIBERS)
  })

  it(`get each of ${MESSAGES * CHANNELS} messages once and in order`, async (context) => {
    const streams = [2, 3].map((protocol) =>
      Array.from({ length: CHANNELS }, (_, channel) =>
        Buffer.from(
          Array.from({ length: MESSAGES }, (_, nth) => message(protocol, channelName(channel), `m${nth}`)).join(''),
          'latin1',
        ),
      ),
    )
    for (const [nth, checker] of checkers.entries()) {
      checker.expected = streams[protocolOf(nth) - 2][nth % CHANNELS]
      checker.at = 0
    }
    const before = process.hrtime.bigint()
    await publish(MESSAGES, (nth) => `m${nth}`, PER_CHANNEL)
    await until(allDone, 'everything has come', 60_000)
    const seconds = Number(process.hrtime.bigint() - before) / 1e9
    context.diagnostic(`${Math.round((MESSAGES * SUBSCRIBERS) / seconds)} deliveries a second`)
    assert.equal(await respool.metric('respool_pubsub_messages_total'), MESSAGES * SUBSCRIBERS)
    assert.equal(await respool.metric('respool_pubsub_gaps_total'), 0)
  })

  it('hear again by themselves after the connection is killed in mid-stream, and nothing twice', async () => {
    const ears = await connectAll(respool.port, 20)
    for (const [nth, ear] of ears.entries()) {
      if (nth % 2 === 1) await ask(ear, 'HELLO', 3)
      await ask(ear, 'SUBSCRIBE', channelName(nth % CHANNELS))
    }
    for (const { socket } of checkers.splice(0)) socket.destroy()
    await until(
      async () => (await respool.metric('respool_downstream_connections')) <= ears.length + 1,
      'they are gone',
    )
    let publishing = true
    let sent = 0
    const publisher = (async () => {
      const client = await RawClient.connect(respool.port)
      for (; publishing; sent++) await publishInOutage(client, String(sent))
      client.close()
    })()
    for (let kills = 1; kills <= 3; kills++) {
      const reached = sent
      await until(() => sent > reached + 200, 'messages flow')
      assert.equal(await ask(direct, 'CLIENT', 'KILL', 'TYPE', 'pubsub'), ':1\r\n')
      await until(async () => (await carriers())[0]?.sub === String(CHANNELS), 'everything is subscribed to again')
      assert.equal(await respool.metric('respool_pubsub_gaps_total'), kills)
    }
    publishing = false
    await publisher
    await publish(1, () => 'last', ears.length / CHANNELS)
    for (const [nth, ear] of ears.entries()) {
      let newest = -1
      for (;;) {
        const frame = (await ear.frame()).toString('latin1')
        const text = /\r\n([^\r]*)\r\n$/.exec(frame)![1]
        assert.equal(frame, message(2 + (nth % 2), channelName(nth % CHANNELS), text))
        if (text === 'last') break
        assert.ok(Number(text) > newest, `${text} after ${newest}`)
        newest = Number(text)
      }
      ear.close()
    }
  })

  it('keep their connections when Redis goes away, and hear it when it is back', async () => {
    const ears = await connectAll(respool.port, 50)
    for (const ear of ears) assert.match(await ask(ear, 'SUBSCRIBE', 'outage'), /subscribe/)
    const gaps = await respool.metric('respool_pubsub_gaps_total')
    await redis.kill()
    const late = suite.client(await RawClient.connect(respool.port))
    await until(async () => /^-TRYAGAIN/.test(await ask(late, 'SUBSCRIBE', 'outage')), 'a new one is refused')
    // Those who are subscribed can still leave, without anybody there to confirm it.
    assert.match(await ask(ears[0], 'UNSUBSCRIBE', 'outage'), /unsubscribe\r\n\$6\r\noutage\r\n:0\r\n$/)
    await redis.restart()
    const other = await RawClient.connect(redis.port)
    const heard = async () => (await ask(other, 'PUBSUB', 'NUMSUB', 'outage')).includes(':1')
    await until(heard, 'it is subscribed to again')
    await until(async () => (await ask(late, 'SUBSCRIBE', 'outage')).includes('subscribe'), 'a new one is taken')
    assert.equal(await ask(late, 'UNSUBSCRIBE'), '*3\r\n$11\r\nunsubscribe\r\n$6\r\noutage\r\n:0\r\n')
    const publisher = await RawClient.connect(respool.port)
    await until(async () => (await ask(publisher, 'PUBLISH', 'outage', 'back')) === ':49\r\n', 'it reaches all')
    for (const ear of ears.slice(1)) assert.equal((await ear.frame()).toString(), message(2, 'outage', 'back'))
    assert.equal(await respool.metric('respool_pubsub_gaps_total'), gaps + 1)
    for (const one of [...ears, late, publisher, other]) one.close()
  })

  it('a subscription that is given while Redis restarts waits for it', async () => {
    const patient = suite.add(
      await startRespool({ upstream: redis.url, config: { upstream: { holdTime: '20s', commandTimeout: '20s' } } }),
    )
    const clients = await connectAll(patient.port, 20)
    assert.match(await ask(clients[0], 'SUBSCRIBE', 'patience'), /subscribe/)
    await redis.kill()
    const answers = clients.slice(1).map((client) => ask(client, 'SUBSCRIBE', 'patience'))
    await redis.restart()
    for (const answer of await Promise.all(answers))
      assert.match(answer, /\$9\r\nsubscribe\r\n\$8\r\npatience\r\n:1\r\n$/)
    assert.equal(await ask(clients[0], 'UNSUBSCRIBE'), '*3\r\n$11\r\nunsubscribe\r\n$8\r\npatience\r\n:0\r\n')
    const other = suite.client(await RawClient.connect(patient.port))
    assert.equal(await ask(other, 'PUBLISH', 'patience', 'x'), ':19\r\n')
    for (const client of clients) client.close()
  })

  it('one that does not read is disconnected, costs bounded memory, and holds up nobody', async () => {
    const strict = suite.add(
      await startRespool({ upstream: redis.url, config: { limits: { subscriberBytes: '4mb', outputBytes: '64kb' } } }),
    )
    const [slow, silent, quick, publisher] = await connectAll(strict.port, 4)
    for (const [nth, one] of [slow, silent, quick].entries()) {
      if (nth === 1) await ask(one, 'HELLO', 3)
      await ask(one, 'SUBSCRIBE', 'flood')
    }
    slow.socket.pause()
    silent.socket.pause()
    const memory = extraMemory(strict)
    const text = 'm'.repeat(50_000)
    let reached: string
    let sent = 0
    do {
      reached = await ask(publisher, 'PUBLISH', 'flood', text)
      sent++
      assert.equal((await quick.frame()).toString(), message(2, 'flood', text))
    } while (reached !== ':1\r\n' && sent < 2000)
    assert.equal(reached, ':1\r\n')
    assert.equal(await strict.metric('respool_pubsub_slow_total'), 2)
    assert.ok((await memory.stop()) < 60 * MEGABYTE)
    // They had what the kernel and the limit hold, and not everything.
    assert.ok(sent * text.length > 2 * 4 * MEGABYTE)
    for (const one of [slow, silent, quick, publisher]) one.close()
  })
})
