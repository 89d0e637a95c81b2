/** Redis over TLS: who is trusted, what is said where that fails, and that certificates change without anybody noticing. */
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { Authority, type CertificateFiles } from '../helpers/certificates.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ERRORS } from '../../src/errors.ts'
import { ask, Cleanup, MEGABYTE, Observer, pipeline } from './support.ts'

const PASSWORD = 'never-in-the-cl34r'

describe('TLS to Redis', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  const directory = temporaryDirectory('respool-tls')
  let authority: Authority
  let stranger: Authority
  let files: CertificateFiles
  let redis: RedisServer

  before(async () => {
    suite.also(() => removeDirectory(directory))
    authority = await Authority.create('authority', directory)
    stranger = await Authority.create('stranger', directory)
    files = await authority.issue()
    redis = suite.add(await startRedis({ tls: { ca: authority.ca, ...files } }))
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const url = (port: number, host = '127.0.0.1') => `rediss://${host}:${port}`
  const proxy = async (upstream: string, tls: object, more: object = {}): Promise<[Respool, RawClient]> => {
    const respool = test.add(await startRespool({ upstream, config: { upstream: { tls, ...more } } }))
    return [respool, test.client(await RawClient.connect(respool.port))]
  }
  const another = async (options: Parameters<typeof startRedis>[0]) => test.add(await startRedis(options))

  it('carries everything that a connection in the clear does', async () => {
    const [respool, client] = await proxy(url(redis.tlsPort), { ca: authority.ca })
    const direct = test.client(await RawClient.connect(redis.port))
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    assert.match(await ask(client, 'HELLO', 3), /^%7/)
    assert.equal(await ask(client, 'GET', 'k'), '$1\r\nv\r\n')
    const large = Buffer.alloc(10 * MEGABYTE, 'every byte counts, ')
    assert.equal(await ask(client, 'SET', 'large', large), '+OK\r\n')
    const expected = await direct.call('GET', 'large')
    assert.ok((await client.call('GET', 'large')).equals(expected))
    const commands = Array.from({ length: 5000 }, (_, i) => ['ECHO', `${i}`])
    assert.deepEqual(
      await pipeline(client, commands),
      commands.map(([, text]) => `$${text.length}\r\n${text}\r\n`),
    )
    // A lease, and the link of subscriptions.
    assert.equal(await ask(client, 'WATCH', 'k'), '+OK\r\n')
    assert.deepEqual(await pipeline(client, [['MULTI'], ['EXEC']]), ['+OK\r\n', '*0\r\n'])
    assert.equal(await ask(client, 'SUBSCRIBE', 'news'), '>3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n')
    const speaker = test.client(await RawClient.connect(respool.port))
    assert.equal(await ask(speaker, 'PUBLISH', 'news', 'x'), ':1\r\n')
    assert.equal((await client.frame()).toString(), '>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n')
    const rows = (await test.add(await Observer.connect(redis.port)).clients()).filter(({ name }) => name !== '')
    assert.ok(rows.length >= 2)
    for (const { laddr } of rows) assert.equal(laddr, `127.0.0.1:${redis.tlsPort}`)
    assert.equal(await respool.metric('respool_tls_errors_total'), 0)
  })

  it('checks nothing only if told so, and says it loudly', async () => {
    const [respool, client] = await proxy(url(redis.tlsPort), { verify: 'off' })
    assert.equal(await ask(client, 'ECHO', 'x'), '$1\r\nx\r\n')
    assert.match(respool.output(), /"level":"warn".*"event":"tls_unverified"/)
  })

  it('says why it has no connection, and applications get the usual error', async () => {
    const [respool, client] = await proxy(url(redis.tlsPort), { ca: stranger.ca }, { holdTime: 0, password: PASSWORD })
    assert.equal(await ask(client, 'GET', 'k'), `-${ERRORS.upstreamDown.text}\r\n`)
    const line = await until(() => /^.*"event":"upstream_down".*$/m.exec(respool.output()), 'it says that it is down')
    assert.match(line![0], /"level":"warn".*no trusted CA has signed .* as upstream\.tls\.ca/)
    assert.equal((await fetch(`${respool.admin}/readyz`)).status, 503)
    assert.ok((await respool.metric('respool_tls_errors_total', { side: 'upstream' })) > 0)
    assert.ok(!respool.output().includes(PASSWORD))
  })

  it('changed files are used by new connections; old ones live on', async () => {
    const ca = join(directory, 'renewed.ca.pem')
    copyFileSync(authority.ca, ca)
    const served = await another({ tls: { ca: authority.ca, ...files } })
    const [respool, client] = await proxy(url(served.tlsPort), { ca })
    const observer = test.add(await Observer.connect(served.port))
    const ids = async () => (await observer.clients()).filter(({ name }) => name !== '').map(({ id }) => id)
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    const before = await ids()
    assert.notDeepEqual(before, [])

    // What is broken changes nothing.
    writeFileSync(ca, readFileSync(ca, 'utf8').slice(0, 200))
    await until(() => respool.output().includes('"tls_renewal_failed"'), 'it says that the file is of no use')
    assert.match(respool.output(), /"level":"warn".*tls_renewal_failed.*upstream\.tls.*damaged certificate/)
    assert.equal(await ask(client, 'WATCH', 'k'), '+OK\r\n')
    assert.equal(await ask(client, 'UNWATCH'), '+OK\r\n')

    // Another authority altogether.
    writeFileSync(ca, readFileSync(stranger.ca))
    await until(() => respool.output().includes('"tls_renewed"'), 'it has taken in the new file')
    const direct = test.client(await RawClient.connect(served.port))
    const other = await stranger.issue()
    assert.equal(await ask(direct, 'CONFIG', 'SET', 'tls-cert-file', other.cert, 'tls-key-file', other.key), '+OK\r\n')
    assert.equal(await ask(client, 'GET', 'k'), '$1\r\nv\r\n')
    for (const id of before) assert.ok((await ids()).includes(id), 'a connection was dropped')
    await ask(direct, 'CLIENT', 'KILL', 'TYPE', 'normal')
    await until(async () => (await ask(client, 'GET', 'k')) === '$1\r\nv\r\n', 'it works with the new certificates')
    assert.equal(await respool.metric('respool_tls_errors_total'), 0)
  })

  it('shows no file in the log or the configuration, only where it is', async () => {
    const own = await authority.issue({ names: ['respool'] })
    const [respool, client] = await proxy(url(redis.tlsPort), { ca: authority.ca, ...own })
    assert.equal(await ask(client, 'ECHO', 'x'), '$1\r\nx\r\n')
    const shown = await (await fetch(`${respool.admin}/config`)).text()
    assert.ok(shown.includes(JSON.stringify(own.key)))
    const secret = readFileSync(own.key, 'utf8').split('\n')[1]
    for (const text of [shown, respool.output()]) assert.ok(!text.includes(secret))
  })
})
