/** The login changes while connections are on their way, or in use. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { FakeRedis, Outside, Pool } from './pool-harness.ts'

const OLD = { username: null, password: 'old' }
const NEW = { username: null, password: 'new' }
const HELLO = '%2\r\n+version\r\n+9.9.9\r\n+id\r\n:77\r\n+OK\r\n'
const REFUSED = '-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n'

/** A server that answers a HELLO, which tells the password, only when the test says how. */
async function deliberate(t: TestContext) {
  const asked: { socket: Socket; password: string }[] = []
  const fake = await FakeRedis.start(t, () => {})
  fake.onAccept = (socket) =>
    socket.on('data', (chunk: Buffer) => {
      const password = /AUTH.*\r\n(old|new|newer)\r\n/s.exec(chunk.toString('latin1'))?.[1]
      assert.ok(password !== undefined)
      asked.push({ socket, password })
    })
  const next = async (password: string, answer: string) => {
    await until(() => asked.length > 0, `a login with ${password}`)
    const [one] = asked.splice(0, 1)
    assert.equal(one.password, password)
    one.socket.write(answer)
  }
  return { port: fake.port, next, asked }
}

test('a login that is no longer good when it arrives is followed by the one that counts now', async (t) => {
  const server = await deliberate(t)
  const pool = new Pool(t, server.port, { password: 'old' })
  pool.endpoint.ensureMinimum()
  await until(() => server.asked.length > 0, 'it has asked')
  pool.login.take(NEW)
  await server.next('old', REFUSED)
  await server.next('new', HELLO)
  await until(() => pool.shared === 1, 'it is in use')
  assert.equal(pool.endpoint.counts.opened, 1)
  assert.equal(pool.endpoint.outage, null)
})

test('so is one after another, and the last is refused if it is not good either', async (t) => {
  const server = await deliberate(t)
  const pool = new Pool(t, server.port, {
    password: 'old',
    upstream: { reconnect: { minDelay: 60_000, maxDelay: 60_000 } },
  })
  pool.endpoint.ensureMinimum()
  await until(() => server.asked.length > 0, 'it has asked')
  pool.login.take(NEW)
  await server.next('old', REFUSED)
  await until(() => server.asked.length > 0, 'it has asked')
  pool.login.take({ username: null, password: 'newer' })
  await server.next('new', REFUSED)
  // The one before, since servers may learn of the newest late.
  await server.next('old', REFUSED)
  await server.next('newer', REFUSED)
  await server.next('new', REFUSED)
  await until(() => pool.endpoint.outage === 'upstreamAuth', 'it gives up')
  assert.equal(server.asked.length, 0)
})

test('a connection that was about to log in when the login changed does so again at the next look', async (t) => {
  const server = await deliberate(t)
  const pool = new Pool(t, server.port, { password: 'old' })
  pool.endpoint.ensureMinimum()
  await until(() => server.asked.length > 0, 'it has asked')
  pool.login.take(NEW)
  await server.next('old', HELLO)
  await until(() => pool.shared === 1, 'it is in use')
  pool.sweep()
  await server.next('new', '+OK\r\n')
  // No further one, however soon the login changes again.
  await until(() => pool.lane().shared[0].loginEra === pool.login.era, 'it knows')
  pool.sweep()
  pool.login.take(OLD)
  pool.sweep()
  await server.next('old', '+OK\r\n')
  assert.equal(server.asked.length, 0)
})

test('where a password is still wanted that is to be given no more, it is given', async (t) => {
  const redis = await startRedis({ password: 'old' })
  t.after(() => redis.stop())
  const pool = new Pool(t, redis.port, { password: 'old' })
  pool.login.take({ username: null, password: null })
  await pool.up()
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
})

test('a login that is refused in use is tried again after a while only', async (t) => {
  const redis = await startRedis({ password: 'old' })
  t.after(() => redis.stop())
  const outside = await Outside.connect(t, redis.port)
  await outside.call('AUTH', 'old')
  const pool = new Pool(t, redis.port, { password: 'old' })
  await pool.up()
  pool.login.take(NEW)
  const tries = () => outside.runs('auth')
  const before = await tries()
  for (let i = 0; i < 5; i++) {
    pool.sweep(300)
    await pool.run(pool.lane(), 'PING')
  }
  assert.equal(await tries(), before + 1)
  pool.sweep(900)
  await pool.run(pool.lane(), 'PING')
  assert.equal(await tries(), before + 2)
})
