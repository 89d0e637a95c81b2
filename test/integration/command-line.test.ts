/** The program as scripts and process managers see it: what it prints, how it ends. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../helpers/ports.ts'
import { Child, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from './support.ts'

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const MAIN = file('dist/main.js')
const SECRET = 's3cret-of-the-test'

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function respool(args: string[], env: Record<string, string> = {}): Ended {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RESPOOL_')))
  const settings = { encoding: 'utf8', timeout: 20_000, env: { ...clean, ...env } } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], settings)
  return { code: status, stdout, stderr }
}

describe('command line', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const directory = temporaryDirectory('respool-command-line')
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis())
  })
  after(() => suite.run())

  it('--version prints the version of the package', () => {
    const { version } = JSON.parse(readFileSync(file('package.json'), 'utf8')) as { version: string }
    assert.deepEqual(respool(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('--help prints the usage with every flag', () => {
    const { code, stdout, stderr } = respool(['--help'])
    assert.equal(code, 0)
    assert.equal(stderr, '')
    assert.match(stdout, /^Usage: respool /)
    assert.match(stdout, /\n$/)
    for (const flag of ['config', 'listen', 'admin', 'upstream', 'workers', 'log-level', 'check', 'version', 'help']) {
      assert.ok(stdout.includes(`--${flag}`), flag)
    }
  })

  it('--check prints what would be used, without secrets, and what it prints is a configuration', () => {
    const { code, stdout, stderr } = respool(['--check', '--upstream', `redis://app:${SECRET}@127.0.0.1:7000/3`], {
      RESPOOL_POOL_MAX: '5',
    })
    assert.equal(code, 0)
    assert.equal(stderr, '')
    assert.match(stdout, /max: 5/)
    assert.match(stdout, /127\.0\.0\.1:7000\/3/)
    assert.ok(!stdout.includes(SECRET))
    const path = join(directory, 'printed.yaml')
    writeFileSync(path, stdout)
    assert.deepEqual(respool(['--check', '-c', path]), { code: 0, stdout, stderr: '' })
  })

  it('--check accepts the sample configuration', () => {
    const { code, stderr } = respool(['--check', '-c', file('config/respool.yaml')])
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  })

  it('all mistakes are told at once on standard error, with code 2, and nothing is started', () => {
    const path = join(directory, 'wrong.yaml')
    writeFileSync(path, `pool:\n  max: none\n  mni: 3\nupstream:\n  password: ${SECRET}\n  comandTimeout: 5s\n`)
    for (const args of [['--check'], []]) {
      const { code, stdout, stderr } = respool(['-c', path, '--upstream', 'http://nowhere', '--bogus', ...args])
      assert.equal(code, 2)
      assert.equal(stdout, '')
      for (const part of ['pool.max', 'mni', 'comandTimeout', 'upstream', '--bogus', ':2', ':3', ':6']) {
        assert.ok(stderr.includes(part), `${part} in ${stderr}`)
      }
      assert.ok(!stderr.includes(SECRET), stderr)
    }
  })

  for (const [what, args] of [
    ['no upstream', []],
    ['a flag without a value', ['--upstream']],
    ['a file that is not there', ['-c', '/nonexistent/respool.yaml']],
    ['an argument without a flag', ['redis://127.0.0.1:6379']],
    ['a port that is none', ['--upstream', 'redis://127.0.0.1:6379', '--listen', '127.0.0.1:70000']],
  ] as [string, string[]][]) {
    it(`${what} ends it with code 2 and a message`, () => {
      const { code, stdout, stderr } = respool(args)
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.ok(stderr.trim().length > 10)
    })
  }

  it('the environment alone is enough, and logs are JSON lines', async () => {
    const [port, admin] = [await freePort(), await freePort()]
    const child = new Child(process.execPath, [MAIN], {
      PATH: process.env['PATH'],
      RESPOOL_UPSTREAM: redis.url,
      RESPOOL_LISTEN: `127.0.0.1:${port}`,
      RESPOOL_ADMIN: `127.0.0.1:${admin}`,
    })
    suite.also(() => child.stop('SIGKILL'))
    await child.ready(async () => (await fetch(`http://127.0.0.1:${admin}/readyz`)).ok, 'it is ready')
    const client = suite.client(await RawClient.connect(port))
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    await until(() => child.output().includes('upstream_up'), 'it logs that Redis is there')
    assert.equal(await child.stop('SIGTERM'), 0)
    const lines = child.output().trim().split('\n')
    const events = lines.map((line) => (JSON.parse(line) as { event: string }).event)
    assert.deepEqual(
      ['started', 'upstream_up', 'stopped'].filter((event) => !events.includes(event)),
      [],
    )
  })

  it('start: eager waits for Redis before it listens, and says so', async () => {
    const [port, admin, redisPort] = [await freePort(), await freePort(), await freePort()]
    const args = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${admin}`]
    const child = new Child(process.execPath, [MAIN, ...args, '--upstream', `redis://127.0.0.1:${redisPort}`], {
      ...process.env,
      RESPOOL_UPSTREAM_START: 'eager',
    })
    suite.also(() => child.stop('SIGKILL'))
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${admin}/${path}`)).status
    await child.ready(async () => (await status('livez')) === 200, 'the admin API answers')
    await until(() => child.output().includes('upstream_down'), 'it has tried')
    assert.equal(await status('startupz'), 503)
    await assert.rejects(RawClient.connect(port))
    suite.add(await startRedis({ port: redisPort }))
    await child.ready(async () => (await status('startupz')) === 200, 'it is started')
    const client = suite.client(await RawClient.connect(port))
    assert.equal(await ask(client, 'GET', 'k'), '$-1\r\n')
  })
})
