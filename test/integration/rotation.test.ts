/** Users and passwords change at Redis and in files while applications work: nobody notices. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../helpers/ports.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { startSentinels } from '../helpers/sentinels.ts'
import { until } from '../helpers/waiting.ts'
import { Counting } from '../scenarios/counting.ts'
import { ask, bulkText, Cleanup, Observer } from './support.ts'

const ALL = ['~*', '&*', '+@all']

describe('rotation of secrets', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer
  /** The default user, who has no password here. */
  let admin: RawClient
  let adminId: string
  let observer: Observer

  before(async () => {
    redis = suite.add(await startRedis())
    admin = suite.client(await RawClient.connect(redis.port))
    adminId = (await ask(admin, 'CLIENT', 'ID')).slice(1, -2)
    observer = suite.add(await Observer.connect(redis.port))
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const acl = async (...rules: string[]) => assert.match(await ask(admin, 'ACL', ...rules), /^(\+OK|:\d)/)
  /** Whom connections of respool's are logged in as. Not by their names: in a transaction a connection has the application's. */
  const users = async () =>
    new Set((await observer.clients()).filter(({ id }) => id !== adminId).map(({ user }) => user))

  it('a user and password in files are replaced under load by others, without an error or a lost message', async () => {
    const secrets = new MountedSecret()
    test.add(secrets)
    await acl('SETUSER', 'first', 'on', '>one', ...ALL)
    secrets.write({ username: 'first', password: 'one\n' })
    const upstream = { usernameFile: secrets.path('username'), passwordFile: secrets.path('password') }
    const respool = test.add(await startRespool({ upstream: redis.url, config: { upstream } }))
    const subscriber = test.client(await RawClient.connect(respool.port))
    await ask(subscriber, 'SUBSCRIBE', 'news')
    const counting = await Counting.start(respool, 1)
    test.also(() => counting.kill())
    let before = 'first'
    for (const next of ['second', 'third', 'fourth']) {
      await acl('SETUSER', next, 'on', `>${next}`, ...ALL)
      secrets.write({ username: next, password: next })
      await until(async () => !(await users()).has(before), `nobody is ${before} any more`)
      // Redis ends the connections of a user who is deleted.
      await acl('DELUSER', before)
      before = next
      await sleep(200)
    }
    await counting.stop()
    assert.deepEqual(counting.wrong, [])
    assert.deepEqual([...counting.errors], [])
    assert.equal(counting.reconnected, 0)
    assert.deepEqual(await counting.differences(respool.port), [])
    await ask(admin, 'PUBLISH', 'news', 'still here')
    assert.match((await subscriber.frame()).toString(), /still here/)
    assert.equal(await respool.metric('respool_pubsub_gaps_total'), 0)
    assert.deepEqual([...(await users())], ['fourth'])
  })

  it('what sessions have for themselves outlives a user too, as long as they are not within a transaction', async () => {
    const secrets = test.add(new MountedSecret())
    for (const user of ['before', 'after']) await acl('SETUSER', user, 'on', `>${user}`, ...ALL)
    secrets.write({ username: 'before', password: 'before' })
    const config = {
      upstream: { usernameFile: secrets.path('username'), passwordFile: secrets.path('password') },
      listen: [{ address: `127.0.0.1:${await freePort()}`, pooling: 'session' }],
    }
    const respool = test.add(await startRespool({ upstream: redis.url, config }))
    const connected = async (port: number) => test.client(await RawClient.connect(port))
    const watching = await connected(respool.port)
    assert.equal(await ask(watching, 'WATCH', 'guarded'), '+OK\r\n')
    const whole = await connected(Number(config.listen[0].address.split(':')[1]))
    assert.match(await ask(whole, 'ACL', 'WHOAMI'), /before/)
    const tracking = await connected(respool.port)
    await ask(tracking, 'HELLO', '3')
    assert.equal(await ask(tracking, 'CLIENT', 'TRACKING', 'ON'), '+OK\r\n')
    await ask(tracking, 'GET', 'tracked')
    // What this says is for the command behind it.
    const opting = await connected(respool.port)
    await ask(opting, 'HELLO', '3')
    assert.equal(await ask(opting, 'CLIENT', 'TRACKING', 'ON', 'OPTIN'), '+OK\r\n')
    assert.equal(await ask(opting, 'CLIENT', 'CACHING', 'YES'), '+OK\r\n')
    // In a transaction it would be queued.
    const queueing = await connected(respool.port)
    assert.equal(await ask(queueing, 'MULTI'), '+OK\r\n')

    secrets.write({ username: 'after', password: 'after' })
    await until(
      async () => (await observer.clients()).filter(({ user }) => user === 'before').length === 2,
      'only those that it would disturb are who they were',
    )
    await ask(opting, 'GET', 'tracked')
    assert.equal(await ask(queueing, 'ACL', 'WHOAMI'), '+QUEUED\r\n')
    assert.match(await ask(queueing, 'EXEC'), /before/)
    await until(async () => !(await users()).has('before'), 'nor are these')
    await acl('DELUSER', 'before')
    assert.match(await ask(whole, 'ACL', 'WHOAMI'), /after/)
    await ask(admin, 'SET', 'tracked', 'changed')
    for (const client of [tracking, opting]) assert.match((await client.frame()).toString(), /invalidate.*tracked/s)
    assert.equal(await ask(watching, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(watching, 'SET', 'guarded', 'mine'), '+QUEUED\r\n')
    assert.equal(await ask(watching, 'EXEC'), '*1\r\n+OK\r\n')
  })

  it('the new password counts before Redis knows it and after Redis forgets the old one', async () => {
    const secrets = test.add(new MountedSecret())
    await acl('SETUSER', 'app', 'on', '>old', ...ALL)
    secrets.write({ password: 'old' })
    const config = {
      upstream: { username: 'app', passwordFile: secrets.path('password') },
      pool: { leases: { max: 64 } },
    }
    const respool = test.add(await startRespool({ upstream: redis.url, config }))
    const client = test.client(await RawClient.connect(respool.port))
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')

    secrets.write({ password: 'new' })
    await until(() => respool.output().includes('credentials_renewed'), 'the file is read')
    // Each needs a connection more.
    const early = await blocked(respool.port, 3)
    assert.equal((await users()).size, 1)
    await until(() => respool.output().includes('login_refused'), 'the live ones have tried it too')

    const logins = await succeeded('auth')
    await acl('SETUSER', 'app', '>new')
    await until(async () => (await succeeded('auth')) > logins, 'they try again')
    await acl('SETUSER', 'app', '<old')
    const late = await blocked(respool.port, 3)
    await ask(client, 'RPUSH', 'queue', ...'abcdef')
    assert.deepEqual(
      await Promise.all([...early, ...late].map((one) => one.frame().then((frame) => frame.length > 0))),
      Array(6).fill(true),
    )
  })

  it('a program tells the password, and the next one before it expires; nothing of what it writes is logged', async () => {
    const directory = temporaryDirectory('respool-token')
    test.also(() => removeDirectory(directory))
    const file = join(directory, 'told')
    const tell = (text: string) => writeFileSync(file, text)
    tell('{"username": "t0ken-user", "pass": "t0ken-broken"}')
    const script = `process.stdout.write(require('fs').readFileSync(${JSON.stringify(file)})); console.error('t0ken-noise')`
    const config = { upstream: { passwordCommand: [process.execPath, '-e', script] } }
    const respool = test.add(await startRespool({ upstream: redis.url, config }))
    const client = test.client(await RawClient.connect(respool.port))
    await until(() => respool.output().includes('credentials_command_failed'), 'it is of no use')
    assert.match(await ask(client, 'GET', 'k'), /^-TRYAGAIN /, 'nobody is let in as somebody else')
    await acl('SETUSER', 'token-1', 'on', '>t0ken-1', ...ALL)
    tell('{"username": "token-1", "password": "t0ken-1", "expiresIn": 1.5}')
    await until(async () => (await ask(client, 'ACL', 'WHOAMI')).includes('token-1'), 'it is used')
    await acl('SETUSER', 'token-2', 'on', '>t0ken-2', ...ALL)
    tell('{"username": "token-2", "password": "t0ken-2", "expiresIn": 900}')
    await until(async () => (await ask(client, 'ACL', 'WHOAMI')).includes('token-2'), 'the next one is used')
    await until(async () => !(await users()).has('token-1'), 'nobody is the first one any more')
    assert.doesNotMatch(respool.output(), /t0ken/)
  })

  it('the password for sentinels is read again too', async () => {
    const sentinels = test.add(await startSentinels({ sentinels: 1 }))
    const sentinel = test.client(await RawClient.connect(sentinels.ports[0]))
    await ask(sentinel, 'ACL', 'SETUSER', 'watcher', 'on', '>one', ...ALL)
    const secrets = test.add(new MountedSecret())
    secrets.write({ password: 'one' })
    const upstream = { sentinel: { username: 'watcher', passwordFile: secrets.path('password') } }
    const respool = test.add(await startRespool({ upstream: sentinels.url, config: { upstream } }))
    const client = test.client(await RawClient.connect(respool.port))
    await until(async () => (await ask(client, 'SET', 'k', 'v')) === '+OK\r\n', 'the primary is found')
    await ask(sentinel, 'ACL', 'SETUSER', 'watcher', '>two', '<one')
    secrets.write({ password: 'two' })
    await until(() => respool.output().includes('credentials_renewed'), 'the file is read')
    await ask(sentinel, 'CLIENT', 'KILL', 'USER', 'watcher')
    await sentinels.failover()
    const port = String((await sentinels.primary()).port)
    await until(
      async () => (await ask(client, 'INFO', 'server')).includes(`tcp_port:${port}`),
      'the new primary is followed',
    )
  })

  /** How often a command was carried out without an error. */
  async function succeeded(name: string): Promise<number> {
    const stats = bulkText(await ask(admin, 'INFO', 'commandstats'))
    const [, calls, failed] = new RegExp(`cmdstat_${name}:calls=(\\d+).*failed_calls=(\\d+)`).exec(stats) ?? []
    return Number(calls ?? 0) - Number(failed ?? 0)
  }

  /** Applications that wait in BLPOP, each on a connection of its own to Redis. */
  async function blocked(port: number, count: number): Promise<RawClient[]> {
    const clients: RawClient[] = []
    const waiting = async () => (await observer.clients()).filter(({ flags }) => flags?.includes('b')).length
    const before = await waiting()
    for (let i = 0; i < count; i++) {
      const client = test.client(await RawClient.connect(port))
      client.send('BLPOP queue 0\r\n')
      clients.push(client)
    }
    await until(async () => (await waiting()) === before + count, 'they wait')
    return clients
  }
})

/** A directory of secrets as Kubernetes mounts it: all files change in one moment, since a link leads elsewhere. */
class MountedSecret {
  readonly #directory = temporaryDirectory('respool-secret')
  #version = 0

  path(name: string): string {
    return join(this.#directory, name)
  }

  write(files: Record<string, string>): void {
    const version = `..${++this.#version}`
    mkdirSync(this.path(version))
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(this.path(version), name), text)
      if (this.#version === 1) symlinkSync(join('..data', name), this.path(name))
    }
    symlinkSync(version, this.path('..next'))
    renameSync(this.path('..next'), this.path('..data'))
  }

  stop(): void {
    removeDirectory(this.#directory)
  }
}
