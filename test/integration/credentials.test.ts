/** Logging in: the proxy to Redis, applications to the proxy; and nothing secret ever shows. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { ERRORS } from '../../src/errors.ts'
import { temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, Observer, pipeline } from './support.ts'

const PASSWORD = 'default-s3cret-✓'
const USER_PASSWORD = 'p@ss/w:rd 100%'
const WRONG = 'wr0ng-s3cret'

describe('credentials', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer
  let open: RedisServer

  before(async () => {
    redis = suite.add(await startRedis({ password: PASSWORD }))
    open = suite.add(await startRedis())
    const admin = suite.client(await RawClient.connect(redis.port))
    await ask(admin, 'AUTH', PASSWORD)
    const rules = ['on', `>${USER_PASSWORD}`, '~app:*', '&*', '+@all', '-flushall']
    assert.equal(await ask(admin, 'ACL', 'SETUSER', 'app', ...rules), '+OK\r\n')
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const at = (login: string) => `redis://${login}127.0.0.1:${redis.port}`
  const user = `app:${encodeURIComponent(USER_PASSWORD)}@`

  async function proxy(options: Partial<Parameters<typeof startRespool>[0]> = {}): Promise<[Respool, RawClient]> {
    const respool = test.add(await startRespool({ upstream: redis.url, ...options }))
    return [respool, test.client(await RawClient.connect(respool.port))]
  }

  it('logs in with a password, and applications need none', async () => {
    const [, client] = await proxy()
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    assert.deepEqual(await pipeline(client, [['MULTI'], ['GET', 'k'], ['EXEC']]), [
      '+OK\r\n',
      '+QUEUED\r\n',
      '*1\r\n$1\r\nv\r\n',
    ])
  })

  it('logs in as a user with special characters in the password, on every kind of connection', async () => {
    const [, client] = await proxy({ upstream: at(user) })
    assert.equal(await ask(client, 'SET', 'app:k', 'v'), '+OK\r\n')
    assert.match(await ask(client, 'SET', 'other', 'v'), /^-NOPERM /)
    assert.match(await ask(client, 'FLUSHALL'), /^-NOPERM /)
    assert.equal(await ask(client, 'WATCH', 'app:k'), '+OK\r\n')
    assert.deepEqual(await pipeline(client, [['MULTI'], ['EXEC']]), ['+OK\r\n', '*0\r\n'])
    assert.match(await ask(client, 'HELLO', 3), /^%7/)
    assert.equal(await ask(client, 'SELECT', 1), '+OK\r\n')
    assert.equal(await ask(client, 'GET', 'app:k'), '_\r\n')
    const observer = test.add(await observe())
    const users = new Set(
      (await observer.clients()).filter(({ name }) => name.startsWith('respool:')).map((row) => row['user']),
    )
    assert.deepEqual([...users], ['app'])
  })

  it('takes the password from a file or the environment', async () => {
    const file = join(temporaryDirectory('respool-secret'), 'password')
    writeFileSync(file, `${PASSWORD}\n`)
    const [, fromFile] = await proxy({ upstream: at(''), config: { upstream: { passwordFile: file } } })
    assert.equal(await ask(fromFile, 'SET', 'k', 'v'), '+OK\r\n')
    const [, fromVariable] = await proxy({ upstream: at(''), env: { RESPOOL_UPSTREAM_PASSWORD: PASSWORD } })
    assert.equal(await ask(fromVariable, 'GET', 'k'), '$1\r\nv\r\n')
  })

  for (const [what, login] of [
    ['a wrong password', `:${WRONG}@`],
    ['a wrong password of a user', `app:${WRONG}@`],
    ['an unknown user', `nobody:${WRONG}@`],
    ['no password', ''],
  ]) {
    it(`${what} upstream: a clear error at once, no readiness, and no secret in the log`, async () => {
      const [respool, client] = await proxy({ upstream: at(login) })
      const replies = await pipeline(client, [['GET', 'k'], ['SET', 'k', 'v'], ['PING']])
      const refused = `-${ERRORS.upstreamAuth.text}\r\n`
      assert.deepEqual(replies, [refused, refused, '+PONG\r\n'])
      assert.equal(await ask(client, 'MULTI'), refused)
      assert.equal(await ask(client, 'BLPOP', 'l', 0), refused)
      assert.equal((await fetch(`${respool.admin}/readyz`)).status, 503)
      assert.match(respool.output(), /WRONGPASS|NOAUTH/)
      await showsNothing(respool, WRONG)
    })
  }

  it('a password that becomes right is used without a restart', async () => {
    const admin = test.client(await RawClient.connect(redis.port))
    await ask(admin, 'AUTH', PASSWORD)
    const [, client] = await proxy({ upstream: at('late:l4te@') })
    assert.equal(await ask(client, 'GET', 'k'), `-${ERRORS.upstreamAuth.text}\r\n`)
    await ask(admin, 'ACL', 'SETUSER', 'late', 'on', '>l4te', '~*', '+@all')
    await until(async () => (await ask(client, 'SET', 'k', 'v')) === '+OK\r\n', 'it is let in')
  })

  it('applications may log in as they always did', async () => {
    const [, client] = await proxy()
    const wrong = `-${ERRORS.wrongPassword.text}\r\n`
    assert.equal(await ask(client, 'AUTH', PASSWORD), '+OK\r\n')
    assert.equal(await ask(client, 'AUTH', 'default', PASSWORD), '+OK\r\n')
    assert.equal(await ask(client, 'AUTH', WRONG), wrong)
    assert.equal(await ask(client, 'AUTH', 'default', WRONG), wrong)
    assert.equal(await ask(client, 'AUTH', 'somebody', PASSWORD), wrong)
    assert.match(await ask(client, 'HELLO', 3, 'AUTH', 'default', PASSWORD, 'SETNAME', 'app'), /^%7/)
    assert.equal(await ask(client, 'HELLO', 2, 'AUTH', 'default', WRONG), wrong)
    assert.equal(await ask(client, 'CLIENT', 'GETNAME'), '$3\r\napp\r\n')
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
  })

  it('without a password upstream AUTH is answered as by a Redis without one', async () => {
    const respool = test.add(await startRespool({ upstream: open.url }))
    const [client, model] = [await RawClient.connect(respool.port), await RawClient.connect(open.port)]
    for (const command of [
      ['AUTH', 'x'],
      ['AUTH', 'default', 'x'],
      ['AUTH', 'nobody', 'x'],
      ['AUTH'],
      ['AUTH', 'a', 'b', 'c'],
    ]) {
      assert.equal(await ask(client, ...command), await ask(model, ...command), command.join(' '))
    }
    for (const one of [client, model]) one.close()
  })

  it('secrets show in no log, page or metric, whatever is asked and however much is logged', async () => {
    const [respool, client] = await proxy({ upstream: at(user), args: ['--log-level', 'trace'] })
    await ask(client, 'AUTH', 'app', USER_PASSWORD)
    await ask(client, 'HELLO', 3, 'AUTH', 'app', USER_PASSWORD)
    await ask(client, 'AUTH', WRONG)
    await ask(client, 'SET', 'app:k', 'v4lue-of-a-key')
    await ask(client, 'CONFIG', 'SET', 'requirepass', PASSWORD)
    for (const secret of [USER_PASSWORD, encodeURIComponent(USER_PASSWORD), WRONG, 'v4lue-of-a-key', PASSWORD]) {
      await showsNothing(respool, secret)
    }
    const shown = await (await fetch(`${respool.admin}/config`)).text()
    assert.match(shown, /"password":\s*"\*\*\*"/)
  })

  async function observe(): Promise<Observer> {
    // The default user needs its password before it can be named.
    const client = await RawClient.connect(redis.port)
    await ask(client, 'AUTH', PASSWORD)
    return Observer.over(client)
  }
})

async function showsNothing(respool: Respool, secret: string): Promise<void> {
  for (const path of ['config', 'metrics', 'stats', 'topology', 'clients', 'readyz']) {
    const text = await (await fetch(`${respool.admin}/${path}`)).text()
    assert.ok(!text.includes(secret), `/${path} shows a secret`)
  }
  assert.ok(!respool.output().includes(secret), 'the log shows a secret')
}
