/** Whatever respool shows or writes, secrets are not in it: neither its own nor those that applications give, rightly or wrongly. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, describe, it } from 'node:test'
import { hashOf } from '../../src/config/users.ts'
import { freePort } from '../helpers/ports.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from './support.ts'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** Every secret of this file, by where it comes from. */
const SECRETS = {
  inUrl: 's3cret-in-the-url',
  inFile: 's3cret-in-a-file',
  renewed: 's3cret-in-a-file-later',
  byProgram: 's3cret-by-a-program',
  inEnvironment: 's3cret-in-the-environment',
  ofListener: 's3cret-of-a-listener',
  ofUser: 's3cret-of-a-user',
  inUsersFile: 's3cret-of-a-user-in-a-file',
  passedThrough: 's3cret-passed-through',
  wrong: 's3cret-that-is-wrong',
} as const

describe('secrets', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const directory = temporaryDirectory('respool-secrecy')
  const file = (name: string, text: string) => {
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  }
  const program = [process.execPath, '-p', `'s3cret-by'.concat('-a-program')`]
  let redis: RedisServer
  let admin: RawClient

  before(async () => {
    suite.also(() => removeDirectory(directory))
    redis = suite.add(await startRedis())
    admin = suite.client(await RawClient.connect(redis.port))
    for (const [name, password] of Object.entries(SECRETS))
      if (name !== 'wrong') await ask(admin, 'ACL', 'SETUSER', name, 'on', `>${password}`, '~*', '&*', '+@all')
  })
  after(() => suite.run())

  const sources: [string, { login?: string; upstream?: object; env?: Record<string, string> }][] = [
    ['the URL', { login: `inUrl:${SECRETS.inUrl}@` }],
    ['a file', { upstream: { username: 'inFile', passwordFile: file('password', SECRETS.inFile) } }],
    ['a program', { upstream: { username: 'byProgram', passwordCommand: program } }],
    [
      'the environment',
      { env: { RESPOOL_UPSTREAM_USERNAME: 'inEnvironment', RESPOOL_UPSTREAM_PASSWORD: SECRETS.inEnvironment } },
    ],
  ]
  for (const [what, { login = '', upstream = {}, env = {} }] of sources) {
    it(`with the password from ${what}, nothing of it or any other is shown or written`, async () => {
      const ports = await Promise.all(
        ['password', 'users', 'passthrough'].map(async (auth) => ({ auth, port: await freePort() })),
      )
      const config = {
        listen: ports.map(({ auth, port }) => ({ address: `127.0.0.1:${port}`, auth })),
        auth: {
          password: SECRETS.ofListener,
          users: [`ofUser >${SECRETS.ofUser}`],
          usersFile: file('users', `inUsersFile >${SECRETS.inUsersFile}\n`),
        },
        upstream,
        log: { level: 'trace' },
      }
      const respool = await startRespool({ upstream: `redis://${login}127.0.0.1:${redis.port}`, config, env })
      const [password, users, passthrough] = ports.map(({ port }) => port)
      const pages: string[] = []
      await logIn(password, 'default', SECRETS.ofListener, pages)
      await logIn(users, 'ofUser', SECRETS.ofUser, pages)
      await logIn(users, 'inUsersFile', SECRETS.inUsersFile, pages)
      await logIn(passthrough, 'passedThrough', SECRETS.passedThrough, pages)
      if (what === 'a file') await renew(respool)
      await ask(admin, 'ACL', 'SETUSER', 'passedThrough', 'off')
      await ask(admin, 'ACL', 'SETUSER', 'passedThrough', 'on')
      for (const path of ['config', 'metrics', 'stats', 'topology', 'clients', 'readyz', 'livez', 'startupz', ''])
        pages.push(await (await fetch(`${respool.admin}/${path}`)).text())
      assert.equal(await respool.stop(), 0)
      assertSecretless([...pages, respool.output()])
      assert.match(pages.join(), /\*\*\*/)
    })
  }

  it('are not in what --check prints, nor in what is said of mistakes', () => {
    const right = { auth: { users: [`ofUser >${SECRETS.ofUser}`], password: SECRETS.ofListener } }
    const wrong = {
      auth: {
        users: [SECRETS.ofUser, `a >${SECRETS.ofUser} ~*`, `>${SECRETS.ofUser}`],
        usersFile: file('bad', `a ${SECRETS.inUsersFile}\n`),
      },
    }
    const [, good] = check(right, 0)
    assert.match(good, /ofUser \*\*\*/)
    const [, bad] = check(wrong, 2)
    assert.match(bad, /line 1/)
    assertSecretless([good, bad])
  })

  it('are not in what is left of a process that ends by a fault', async () => {
    const respool = await startRespool({
      upstream: `redis://inUrl:${SECRETS.inUrl}@127.0.0.1:${redis.port}`,
      args: ['--log-level', 'trace'],
    })
    // Its own port cannot be had a second time.
    const second = spawnSync(process.execPath, [MAIN, '--admin', 'off', '--listen', `127.0.0.1:${respool.port}`], {
      encoding: 'utf8',
      env: { RESPOOL_UPSTREAM: `redis://inUrl:${SECRETS.inUrl}@127.0.0.1:${redis.port}` },
    })
    await respool.stop()
    assert.equal(second.status, 1)
    assert.match(second.stderr, /EADDRINUSE/)
    assertSecretless([second.stdout, second.stderr])
  })

  function check(config: object, code: number): [number | null, string] {
    const path = file(
      'respool.yaml',
      JSON.stringify({ ...config, upstream: { url: `redis://inUrl:${SECRETS.inUrl}@h` } }),
    )
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, '--check', '-c', path], {
      encoding: 'utf8',
      env: {},
    })
    assert.equal(status, code, stderr)
    return [status, stdout + stderr]
  }

  /** Rightly, wrongly and at the wrong place. */
  async function logIn(port: number, user: string, password: string, pages: string[]): Promise<void> {
    const client = await RawClient.connect(port)
    const say = async (...args: (string | number)[]) => {
      const reply = await ask(client, ...args)
      pages.push(reply)
      return reply
    }
    await say('AUTH', user, SECRETS.wrong)
    await say('HELLO', 3, 'AUTH', user, SECRETS.wrong)
    await say('NOSUCH', 'AUTH')
    assert.equal(await say('AUTH', user, password), '+OK\r\n')
    await until(async () => (await ask(client, 'SET', 'k', 'v')) === '+OK\r\n', 'it is served')
    assert.match(await say('HELLO', 3, 'AUTH', user, password), /^%7/)
    await say('CLIENT', 'LIST')
    await say('CLIENT', 'INFO')
    client.close()
  }

  async function renew(respool: Respool): Promise<void> {
    await ask(admin, 'ACL', 'SETUSER', 'inFile', `>${SECRETS.renewed}`)
    file('password', SECRETS.renewed)
    await until(() => respool.output().includes('credentials_renewed'), 'it is read again')
  }
})

function assertSecretless(texts: string[]): void {
  for (const [name, secret] of Object.entries(SECRETS)) {
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64'), hashOf(secret)])
      assert.ok(!texts.join('\n').includes(form), `${name} is shown`)
  }
}
