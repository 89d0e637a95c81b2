/** Applications that connect with TLS: who gets in, what becomes of the others, and that certificates change without anybody noticing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { Authority, type CertificateFiles } from '../helpers/certificates.ts'
import { freePort } from '../helpers/ports.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { failuresOf, namesOf, play } from '../helpers/programs.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { go, node, python, SCENARIOS } from './client-programs.ts'
import { ask, Cleanup, MEGABYTE, pipeline } from './support.ts'

describe('TLS on listeners', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  const directory = temporaryDirectory('respool-tls-listener')
  let authority: Authority
  let stranger: Authority
  let files: CertificateFiles
  let redis: RedisServer
  /** It has a listener of each kind. */
  let shared: Respool
  let [any, strict, optional] = [0, 0, 0]

  before(async () => {
    suite.also(() => removeDirectory(directory))
    authority = await Authority.create('authority', directory)
    stranger = await Authority.create('stranger', directory)
    files = await authority.issue()
    redis = suite.add(await startRedis())
    ;[any, strict, optional] = [await freePort(), await freePort(), await freePort()]
    const listen = [
      listener(any),
      listener(strict, { clientAuth: 'require', ca: authority.ca }),
      listener(optional, { clientAuth: 'optional', ca: authority.ca }),
    ]
    shared = suite.add(await startRespool({ upstream: redis.url, config: { listen, limits: { outputBytes: '64kb' } } }))
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const listener = (port: number, tls: object = {}) => ({ address: `127.0.0.1:${port}`, tls: { ...files, ...tls } })
  async function proxy(tls: object = {}, limits: object = {}): Promise<{ respool: Respool; port: number }> {
    const port = await freePort()
    const config = { listen: [listener(port, tls)], limits }
    return { respool: test.add(await startRespool({ upstream: redis.url, config })), port }
  }
  const open = async (port: number, options: ConnectionOptions = {}) =>
    test.client(await RawClient.connectTls(port, { ca: readFileSync(authority.ca), ...options }))
  const shown = ({ cert, key }: CertificateFiles) => ({ cert: readFileSync(cert), key: readFileSync(key) })
  const refusals = (respool: Respool) => respool.metric('respool_tls_errors_total', { side: 'downstream' })

  it('carry everything that a connection in the clear does', async () => {
    const [client, direct] = [await open(any), test.client(await RawClient.connect(redis.port))]
    const large = Buffer.alloc(10 * MEGABYTE, 'every byte counts, ')
    assert.equal(await ask(client, 'SET', 'large', large), '+OK\r\n')
    const expected = await direct.call('GET', 'large')
    assert.ok((await client.call('GET', 'large')).equals(expected))
    const commands = Array.from({ length: 5000 }, (_, i) => ['ECHO', `${i}`])
    assert.deepEqual(
      await pipeline(client, commands),
      commands.map(([, text]) => `$${text.length}\r\n${text}\r\n`),
    )
    const speaker = await open(any, { servername: 'localhost', minVersion: 'TLSv1.3' })
    assert.equal(await ask(client, 'SUBSCRIBE', 'news'), '*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n')
    assert.equal(await ask(speaker, 'PUBLISH', 'news', 'x'), ':1\r\n')
    assert.equal((await client.frame()).toString(), '*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n')
    assert.equal(await shared.metric('respool_downstream_connections'), 2)
    assert.equal(await refusals(shared), 0)
  })

  it('answer what is owed to an application that has said that it sends no more', async () => {
    const client = await open(any)
    client.socket.end(Buffer.concat(Array.from({ length: 1000 }, (_, i) => encode(['ECHO', i]))))
    for (let i = 0; i < 1000; i++) assert.equal((await client.frame()).toString(), `$${`${i}`.length}\r\n${i}\r\n`)
    await client.closed
  })

  it('hold up an application that does not read, and go on when it does', async () => {
    const client = await open(any)
    assert.equal(await ask(client, 'SET', 'k', Buffer.alloc(MEGABYTE, 'x')), '+OK\r\n')
    client.socket.pause()
    client.send(Buffer.concat(Array.from({ length: 30 }, () => encode(['GET', 'k']))))
    const other = await open(any)
    assert.equal(await ask(other, 'ECHO', 'x'), '$1\r\nx\r\n')
    client.socket.resume()
    for (let i = 0; i < 30; i++) assert.equal((await client.frame()).length, MEGABYTE + 12)
  })

  it('end those who do not speak TLS, or only an old one, and say so', async () => {
    const before = await refusals(shared)
    const other = await open(any)
    for (const bytes of [encode(['PING']), 'GET / HTTP/1.1\r\n\r\n', Buffer.alloc(100_000, 0x16)]) {
      const client = await RawClient.connect(any)
      client.send(bytes)
      await client.closed
      assert.doesNotMatch(client.pending.toString('latin1'), /PONG|HTTP|OK/)
    }
    await until(() => /"level":"warn".*"event":"tls_refused".*does not use TLS/.test(shared.output()), 'it says so')
    const ancient = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await assert.rejects(open(any, ancient), /protocol version/)
    await until(() => /tls_refused.*speaks no version of TLS from minVersion on/.test(shared.output()), 'it says so')
    assert.equal((await refusals(shared)) - before, 4)
    assert.equal(await ask(other, 'ECHO', 'x'), '$1\r\nx\r\n')
  })

  it('may want certificates', async () => {
    const before = await refusals(shared)
    const [known, unknown] = [await authority.issue(), await stranger.issue()]
    assert.equal(await ask(await open(strict, shown(known)), 'ECHO', 'x'), '$1\r\nx\r\n')
    for (const [options, said] of [
      [{}, /tls_refused.*shows no certificate/],
      [shown(unknown), /tls_refused.*no CA in ca has signed/],
    ] as const) {
      await isTurnedAway(strict, options)
      await until(() => said.test(shared.output()), 'it says so')
    }
    assert.equal((await refusals(shared)) - before, 2)
  })

  it('may want those certificates that there are to be right', async () => {
    const before = await refusals(shared)
    assert.equal(await ask(await open(optional), 'ECHO', 'x'), '$1\r\nx\r\n')
    assert.equal(await ask(await open(optional, shown(await authority.issue())), 'ECHO', 'x'), '$1\r\nx\r\n')
    await isTurnedAway(optional, shown(await stranger.issue()))
    await until(() => /tls_refused.*no CA in ca has signed/.test(shared.output()), 'it says so')
    assert.equal((await refusals(shared)) - before, 1)
  })

  it('give no more time to a handshake than they have, and count it as a connection', async () => {
    const { respool, port } = await proxy({}, { connections: 2, handshakeTimeout: '1s' })
    const silent = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')].map(ended)
    await until(async () => (await respool.metric('respool_downstream_accepted_total')) >= 2, 'they are accepted')
    await ended(connect(port, '127.0.0.1'))
    assert.ok((await respool.metric('respool_downstream_refused_total')) > 0)
    await Promise.all(silent)
    await until(() => /tls_refused.*within limits\.handshakeTimeout/.test(respool.output()), 'it says so')
    // Their places are free again, and so are those of whoever breaks off or talks nonsense.
    for (let i = 0; i < 5; i++) {
      const rude = connect(port, '127.0.0.1')
      await once(rude, 'connect')
      if (i % 2 === 0) rude.end('nonsense\r\n')
      else rude.destroy()
      await ended(rude)
    }
    const clients = await until(async () => [await open(port), await open(port)], 'both places are free')
    for (const client of clients) assert.equal(await ask(client, 'ECHO', 'x'), '$1\r\nx\r\n')
  })

  it('renew their certificates under load, without an error or a connection lost', async () => {
    const own = await authority.issue(
      { names: ['old.example', '127.0.0.1'] },
      {
        cert: `${directory}/own.cert.pem`,
        key: `${directory}/own.key.pem`,
      },
    )
    const { respool, port } = await proxy(own)
    const name = (client: RawClient) => (client.socket as TLSSocket).getPeerCertificate().subject.CN
    const clients = await Promise.all(Array.from({ length: 10 }, () => open(port)))
    let going = true
    const loads = clients.map(async (client, i) => {
      let count = 0
      for (; going; count++) assert.equal(await ask(client, 'ECHO', `${i} ${count}`), echo(`${i} ${count}`))
      return count
    })

    // A certificate without its key changes nothing.
    const next = await authority.issue({ names: ['new.example', '127.0.0.1'] })
    copyFileSync(next.cert, own.cert)
    await until(() => /"level":"warn".*tls_renewal_failed.*does not belong/.test(respool.output()), 'it says so')
    assert.equal(name(await open(port)), 'old.example')
    copyFileSync(next.key, own.key)
    await until(() => respool.output().includes('"tls_renewed"'), 'it has taken in the new ones')
    assert.equal(name(await open(port)), 'new.example')
    writeFileSync(own.key, 'nothing')
    await until(() => /tls_renewal_failed.*no private key/.test(respool.output()), 'it says so')
    assert.equal(name(await open(port)), 'new.example')

    going = false
    for (const count of await Promise.all(loads)) assert.ok(count > 0)
    for (const client of clients) assert.equal(name(client), 'old.example')
    assert.equal(await refusals(respool), 0)
    const secret = readFileSync(next.key, 'utf8').split('\n')[1]
    const config = await (await fetch(`${respool.admin}/config`)).text()
    assert.ok(config.includes(JSON.stringify(own.key)))
    for (const text of [config, respool.output()]) assert.ok(!text.includes(secret))
  })

  /** In TLS 1.3 a client learns that it is not welcome only when the handshake is over for itself. */
  async function isTurnedAway(port: number, options: ConnectionOptions): Promise<void> {
    const socket = connectTls({ host: '127.0.0.1', port, ca: readFileSync(authority.ca), ...options })
    let heard = 0
    socket.on('data', (bytes: Buffer) => (heard += bytes.length))
    socket.write(encode(['PING']))
    await ended(socket)
    assert.equal(heard, 0)
  }
})

describe('clients that connect with TLS', { concurrency: 2, timeout: 240_000 }, () => {
  const suite = new Cleanup()
  const directory = temporaryDirectory('respool-tls-clients')
  let authority: Authority
  let redis: RedisServer
  let respool: Respool
  let port: number

  before(async () => {
    suite.also(() => removeDirectory(directory))
    authority = await Authority.create('authority', directory)
    const files = await authority.issue()
    redis = suite.add(await startRedis({ tls: { ca: authority.ca, ...files } }))
    port = await freePort()
    const config = {
      listen: [{ address: `127.0.0.1:${port}`, tls: files }],
      upstream: { tls: { ca: authority.ca } },
    }
    respool = suite.add(await startRespool({ upstream: `rediss://127.0.0.1:${redis.tlsPort}`, config }))
  })
  after(async () => {
    assert.equal(await respool.metric('respool_tls_errors_total'), 0)
    await suite.run()
  })

  for (const { client, prepare, extra } of [
    { client: 'redis-py 8.1.0', prepare: python('8.1.0'), extra: [] },
    { client: 'ioredis 6', prepare: node('ioredis.ts'), extra: ['ioredis'] },
    { client: 'node-redis 6', prepare: node('node_redis.ts'), extra: [''] },
    { client: 'go-redis 9', prepare: go, extra: [] },
  ]) {
    it(`${client} does its everyday work, with TLS to Redis too`, async () => {
      const run = await play(await prepare(), port, 'default', ...extra, 'tls', authority.ca)
      assert.deepEqual(failuresOf(run), [], run.stderr)
      assert.deepEqual(namesOf(run), SCENARIOS, run.stderr)
      assert.equal(run.exitCode, 0, run.stderr)
    })
  }
})

const echo = (text: string) => `$${text.length}\r\n${text}\r\n`

/** Waits until it is closed, with an error or without. */
function ended(socket: Socket): Promise<void> {
  socket.on('error', () => {}).resume()
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())))
}
