/** Answers that no real Redis gives, from a server that gives them. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { until } from '../helpers/waiting.ts'
import { FakeRedis, Pool } from './pool-harness.ts'

/** A pool with one connection, and the other end of it. */
async function connected(t: TestContext, serve: (socket: Socket, text: string) => void = () => undefined) {
  const fake = await FakeRedis.start(t, serve)
  const pool = new Pool(t, fake.port)
  await pool.up()
  return { pool, connection: pool.lane().shared[0], server: fake.sockets[0] }
}

test('a reply that nobody asked for ends the connection', async (t) => {
  const { pool, connection, server } = await connected(t)
  server.write('+OK\r\n')
  await until(() => connection.state.current === 'closed', 'closed')
  assert.deepEqual(pool.endpoint.closings, { fault: 1 })
  await until(() => pool.shared === 1, 'another connection')
  assert.equal(pool.endpoint.downSince, null)
})

test('a reply too many behind the right one ends the connection; the right one counts', async (t) => {
  const { pool, connection } = await connected(t, (socket) => socket.write('+first\r\n+second\r\n'))
  assert.equal(await pool.send(connection, 'PING').answer, '+first\r\n')
  await until(() => connection.state.current === 'closed', 'closed')
  assert.deepEqual(pool.endpoint.closings, { fault: 1 })
})

describe('bytes that are no reply end the connection and lose its commands', () => {
  const answers = {
    'an unknown type': '?\r\n',
    'an HTTP answer': 'HTTP/1.1 400 Bad Request\r\n\r\n',
    'a streamed array': '*?\r\n',
    'a length that is no number': '$x\r\n',
    'a map of negative length': '%-1\r\n',
    'a bulk string of another length': '$2\r\nabcd\r\n',
  }
  for (const [name, bytes] of Object.entries(answers)) {
    test(name, async (t) => {
      const { pool, connection } = await connected(t, (socket) => socket.write(`+good\r\n${bytes}`))
      const calls = [1, 2, 3].map(() => pool.send(connection, 'PING'))
      assert.equal(await calls[0].answer, '+good\r\n')
      await until(() => connection.state.current === 'closed', 'closed')
      assert.deepEqual([calls[1].loss, calls[2].loss], ['outcomeUnknown', 'outcomeUnknown'])
      assert.deepEqual(pool.endpoint.closings, { fault: 1 })
      assert.equal(pool.eventsOf('upstream_closed')[0].reason, 'fault')
    })
  }
})

test('a push is an answer to nobody', async (t) => {
  const { pool, connection } = await connected(t, (socket) => socket.write('>1\r\n+push\r\n+mine\r\n>0\r\n'))
  assert.equal(await pool.send(connection, 'PING').answer, '+mine\r\n')
  assert.equal(await pool.send(connection, 'PING').answer, '+mine\r\n')
  assert.equal(connection.state.current, 'ready')
})

test('an attribute belongs to the reply behind it', async (t) => {
  const { pool, connection } = await connected(t, (socket) => socket.write('|1\r\n+ttl\r\n:1\r\n+mine\r\n'))
  assert.equal(await pool.send(connection, 'PING').answer, '|1\r\n+ttl\r\n:1\r\n+mine\r\n')
})

test('answers that come in the smallest pieces are given to the right commands', async (t) => {
  const { pool, connection, server } = await connected(t)
  server.setNoDelay(true)
  const calls = ['+a', '$3\r\nb\r\n', '*2\r\n:1\r\n%1\r\n+k\r\n_'].map(() => pool.send(connection, 'PING'))
  for (const byte of '+a\r\n$3\r\nb\r\n\r\n*2\r\n:1\r\n%1\r\n+k\r\n_\r\n') {
    await new Promise<void>((resolve) => server.write(byte, () => resolve()))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(await Promise.all(calls.map((call) => call.answer)), [
    '+a\r\n',
    '$3\r\nb\r\n\r\n',
    '*2\r\n:1\r\n%1\r\n+k\r\n_\r\n',
  ])
})

test('a connection that ends in the middle of a reply loses its command', async (t) => {
  const { pool, connection } = await connected(t, (socket) => socket.end('$10\r\nabc'))
  const call = pool.send(connection, 'GET', 'k')
  await until(() => connection.state.current === 'closed', 'closed')
  assert.equal(call.loss, 'outcomeUnknown')
  assert.deepEqual(pool.endpoint.closings, { remote: 1 })
})

describe('a login that is answered with nonsense takes nothing down', () => {
  const answers = {
    'arrays nested 100,000 deep': `${'*1\r\n'.repeat(100_000)}:1\r\n`,
    'bytes that are no reply': 'SSH-2.0-OpenSSH\r\n',
  }
  for (const [name, hello] of Object.entries(answers)) {
    test(name, async (t) => {
      const fake = await FakeRedis.start(t, () => undefined, hello)
      const pool = new Pool(t, fake.port)
      const wait = pool.wait(pool.lane())
      await until(() => pool.endpoint.closings['fault'] !== undefined, 'it is no server to talk to')
      pool.sweep(1001)
      assert.equal(wait.settled, 'upstreamDown')
    })
  }

  test('an array without an end', async (t) => {
    const fake = await FakeRedis.start(t, () => undefined, '*1000000\r\n:1\r\n')
    const pool = new Pool(t, fake.port)
    const wait = pool.wait(pool.lane())
    await until(
      () => [...pool.endpoint.members.keys()].some((one) => one.lastHeard > 0 && one.inflight.length > 0),
      'asked',
    )
    pool.sweep(10_001)
    assert.equal(wait.settled, 'upstreamDown')
    assert.deepEqual(pool.endpoint.closings, { dial: 1 })
  })
})

describe('a connection that ends before it is logged in is an outage, tried again with growing delays', () => {
  const ends: Record<string, (socket: Socket) => void> = {
    'closed when accepted, as by a balancer without a backend': (socket) => socket.end(),
    'reset when accepted': (socket) => socket.resetAndDestroy(),
    'answered with bytes that are no reply': (socket) => socket.end('SSH-2.0-OpenSSH\r\n'),
  }
  for (const [name, end] of Object.entries(ends)) {
    test(name, async (t) => {
      const fake = await FakeRedis.start(t, () => undefined)
      const pool = new Pool(t, fake.port, { upstream: { reconnect: { minDelay: 20, maxDelay: 60_000 } } })
      await pool.up()
      fake.onAccept = end
      fake.sockets[0].destroy()
      const wait = pool.wait(pool.lane())
      await until(() => pool.eventsOf('upstream_down').length >= 3, 'it has tried three times')
      assert.notEqual(pool.endpoint.downSince, null)
      assert.ok(fake.sockets.length - 1 <= pool.eventsOf('upstream_down').length + 1, 'a delay after each attempt')
      pool.sweep(1001)
      assert.equal(wait.settled, 'upstreamDown')
    })
  }
})
