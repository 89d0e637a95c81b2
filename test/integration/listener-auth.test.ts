/** Listeners that want a login: what strangers hear is what Redis would say, and who logs in gets what others get. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { freePort } from '../helpers/ports.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { assertAlike, STRANGE } from './strangers.ts'
import { ask, Cleanup } from './support.ts'

const PASSWORD = 'listener-s3cret'
const ALICE = 'al1ce-s3cret'
const BOB = 'b0b-s3cret'

describe('listeners that want a login', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  const directory = temporaryDirectory('respool-users')
  const usersFile = join(directory, 'users')
  let redis: RedisServer
  let model: RedisServer
  let respool: Respool
  let [password, users] = [0, 0]

  before(async () => {
    suite.also(() => removeDirectory(directory))
    redis = suite.add(await startRedis())
    model = suite.add(await startRedis({ password: PASSWORD }))
    ;[password, users] = [await freePort(), await freePort()]
    const listen = [
      { address: `127.0.0.1:${password}`, auth: 'password' },
      { address: `127.0.0.1:${users}`, auth: 'users' },
    ]
    writeFileSync(usersFile, `user bob on >${BOB}\n`)
    const auth = { password: PASSWORD, users: [`default >${PASSWORD}`, `alice >${ALICE}`], usersFile }
    respool = suite.add(await startRespool({ upstream: redis.url, config: { listen, auth } }))
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const connect = async (port: number) => test.client(await RawClient.connect(port))

  for (const [nth, commands] of STRANGE.entries()) {
    it(`say what Redis says: ${commands.map(([name]) => name).join(', ')} (${nth})`, async () => {
      await assertAlike(password, model.port, commands, PASSWORD)
      await assertAlike(users, model.port, commands, PASSWORD)
    })
  }

  it('let users in by the configuration and by the file, and HELLO logs in as well as AUTH', async () => {
    const [alice, bob] = [await connect(users), await connect(users)]
    assert.equal(await ask(alice, 'AUTH', 'alice', ALICE), '+OK\r\n')
    assert.equal(await ask(alice, 'SET', 'k', 'v'), '+OK\r\n')
    assert.match(await ask(bob, 'HELLO', 3, 'AUTH', 'bob', BOB), /^%7/)
    assert.equal(await ask(bob, 'GET', 'k'), '$1\r\nv\r\n')
    assert.match(await ask(bob, 'CLIENT', 'INFO'), / user=bob /)
    assert.match(await ask(await connect(users), 'AUTH', 'bob', ALICE), /^-WRONGPASS /)
  })

  it('disconnect users who are no more; a file of no use changes nothing', async () => {
    const [alice, bob] = [await connect(users), await connect(users)]
    await ask(alice, 'AUTH', 'alice', ALICE)
    await ask(bob, 'AUTH', 'bob', BOB)
    writeFileSync(usersFile, 'bob is not here\n')
    await until(() => respool.output().includes('users_unreadable'), 'the file is refused')
    assert.equal(await ask(bob, 'PING'), '+PONG\r\n')
    rmSync(usersFile)
    writeFileSync(usersFile, 'carol >c4rol\n')
    await bob.closed
    assert.match(await ask(await connect(users), 'AUTH', 'bob', BOB), /^-WRONGPASS /)
    assert.equal(await ask(await connect(users), 'AUTH', 'carol', 'c4rol'), '+OK\r\n')
    assert.equal(await ask(alice, 'PING'), '+PONG\r\n')
  })

  it('take no long arguments from strangers, and none of their bytes', async () => {
    const [one, other] = [await connect(password), await connect(model.port)]
    for (const client of [one, other]) client.send('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000\r\n')
    assert.deepEqual(await one.frame(), await other.frame())
    await one.closed
    // As many as they may send are more than respool would keep.
    const many = await connect(password)
    assert.match(await ask(many, 'MSET', ...Array.from({ length: 9 }, () => 'x'.repeat(16_000))), /^-NOAUTH /)
  })

  it('take pipelines that begin with a login', async () => {
    const client = await connect(password)
    client.send(`AUTH ${PASSWORD}\r\nSET k ${'v'.repeat(30_000)}\r\nSTRLEN k\r\n`)
    const replies = [await client.frame(), await client.frame(), await client.frame()]
    assert.deepEqual(replies.map(String), ['+OK\r\n', '+OK\r\n', ':30000\r\n'])
  })

  it('let in by what a reload says of them: who is in stays, who comes needs what counts now', async () => {
    const port = await freePort()
    const config = (auth: string) => ({
      listen: [{ address: `127.0.0.1:${port}`, auth }],
      auth: { password: PASSWORD, users: [`alice >${ALICE}`] },
    })
    const changing = test.add(await startRespool({ upstream: redis.url, config: config('none') }))
    const reload = async (auth: string) => {
      changing.configure(config(auth))
      const response = await fetch(`${changing.admin}/reload`, { method: 'POST' })
      const { result, changes } = (await response.json()) as { result: string; changes: object[] }
      assert.deepEqual([result, changes], ['applied', [{ key: 'listen', effect: 'connections' }]])
    }
    const before = await connect(port)
    assert.equal(await ask(before, 'SET', 'k', 'v'), '+OK\r\n')

    await reload('password')
    assert.equal(await ask(before, 'GET', 'k'), '$1\r\nv\r\n')
    const shown = await connect(port)
    assert.equal(await ask(shown, 'GET', 'k'), '-NOAUTH Authentication required.\r\n')
    assert.equal(await ask(shown, 'AUTH', PASSWORD), '+OK\r\n')
    assert.equal(await ask(shown, 'GET', 'k'), '$1\r\nv\r\n')
    const stranger = await connect(port)

    await reload('users')
    const named = await connect(port)
    assert.match(await ask(named, 'AUTH', PASSWORD), /^-WRONGPASS /)
    assert.equal(await ask(named, 'AUTH', 'alice', ALICE), '+OK\r\n')
    assert.equal(await ask(named, 'GET', 'k'), '$1\r\nv\r\n')
    for (const client of [before, shown]) assert.equal(await ask(client, 'GET', 'k'), '$1\r\nv\r\n')
    // Nor has who had not logged in been let in by any of this.
    assert.equal(await ask(stranger, 'GET', 'k'), '-NOAUTH Authentication required.\r\n')

    await reload('none')
    assert.equal(await ask(await connect(port), 'GET', 'k'), '$1\r\nv\r\n')
    assert.equal(await ask(stranger, 'GET', 'k'), '-NOAUTH Authentication required.\r\n')
  })

  it('count logins', async () => {
    const refused = await respool.metric('respool_logins_total', { result: 'refused' })
    await ask(await connect(password), 'AUTH', 'wrong')
    assert.equal(await respool.metric('respool_logins_total', { result: 'refused' }), refused + 1)
  })

  it('that others than this host can reach are told of, unless they want a login or are said to be open', async () => {
    const [open, meant, closed] = [await freePort(), await freePort(), await freePort()]
    const listen = [
      `0.0.0.0:${open}`,
      { address: `0.0.0.0:${meant}`, auth: 'none' },
      { address: `0.0.0.0:${closed}`, auth: 'password' },
    ]
    const one = test.add(await startRespool({ upstream: redis.url, config: { listen, auth: { password: PASSWORD } } }))
    await until(() => one.output().includes('"started"'), 'it has started')
    const told = [...one.output().matchAll(/"event":"listener_open","listener":"([^"]+)"/g)].map(
      ([, listener]) => listener,
    )
    assert.deepEqual(told, [`0.0.0.0:${open}`])
  })
})
