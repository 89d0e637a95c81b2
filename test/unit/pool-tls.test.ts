/** Which servers are talked to over TLS, and what is said of the others. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from 'node:net'
import { after, before, describe, it, type TestContext } from 'node:test'
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls'
import type { UpstreamTls } from '../../src/config/config.ts'
import { Authority, type CertificateFiles } from '../helpers/certificates.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { type RedisServer, type RedisTls, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { Pool, SETTINGS } from './pool-harness.ts'

describe('a server that is dialled with TLS', () => {
  const directory = temporaryDirectory('respool-pool-tls')
  let authority: Authority
  let stranger: Authority
  let known: CertificateFiles
  let redis: RedisServer

  before(async () => {
    authority = await Authority.create('authority', directory)
    stranger = await Authority.create('stranger', directory)
    known = await authority.issue()
    redis = await startRedis({ tls: { ca: authority.ca, ...known } })
  })
  after(async () => {
    await redis.stop()
    removeDirectory(directory)
  })

  async function serving(
    t: TestContext,
    files: CertificateFiles,
    clients: RedisTls['clients'] = 'no',
  ): Promise<number> {
    const server = await startRedis({ tls: { ca: authority.ca, ...files, clients } })
    t.after(() => server.stop())
    return server.tlsPort
  }

  async function answers(t: TestContext, port: number, tls: Partial<UpstreamTls>, host?: string): Promise<Pool> {
    const pool = new Pool(t, port, { tls, ...(host === undefined ? {} : { host }) })
    assert.equal(await pool.run(pool.lane(), 'ECHO', 'x'), '$1\r\nx\r\n')
    assert.deepEqual(pool.recorder.tlsErrors.entries(), [
      ['downstream', 0],
      ['upstream', 0],
    ])
    return pool
  }

  /** It stays unreachable, and the first line that says so says why. */
  async function isRefused(t: TestContext, port: number, tls: Partial<UpstreamTls>, why: RegExp, host?: string) {
    const pool = new Pool(t, port, { tls, password: 'unheard', ...(host === undefined ? {} : { host }) })
    pool.endpoint.ensureMinimum()
    const down = await until(
      () => pool.events.find(({ event }) => event === 'upstream_down'),
      'it is found unreachable',
    )
    assert.match(String(down?.error), why)
    assert.notEqual(pool.endpoint.downSince, null)
    const [, [, errors]] = pool.recorder.tlsErrors.entries()
    assert.ok(errors > 0)
    pool.endpoint.stop()
  }

  it('is found by its address or name, or by another name that its certificate bears', async (t) => {
    const { ca } = authority
    await answers(t, redis.tlsPort, { ca })
    await answers(t, redis.tlsPort, { ca, minVersion: '1.3' }, 'localhost')
    const port = await serving(t, await authority.issue({ names: ['redis.example'] }))
    await answers(t, port, { ca, serverName: 'redis.example' })
    await answers(t, port, { ca, verify: 'ca' })
    await answers(t, port, { verify: 'off' })
  })

  it('is asked for by name', async (t) => {
    const { port, sockets } = await relay(t, { cert: readFileSync(known.cert), key: readFileSync(known.key) })
    await answers(t, port, { ca: authority.ca }, 'localhost')
    assert.equal((sockets[0] as TLSSocket & { servername: string }).servername, 'localhost')
    await answers(t, port, { ca: authority.ca })
    assert.equal((sockets[1] as TLSSocket & { servername: unknown }).servername, false)
  })

  it('is shown a certificate if it wants one', async (t) => {
    const port = await serving(t, known, 'yes')
    await answers(t, port, { ca: authority.ca, ...(await authority.issue({ names: ['respool'] })) })
    await isRefused(t, port, { ca: authority.ca }, /wants a certificate.*upstream\.tls\.cert and upstream\.tls\.key/)
    // It may have hung up before it could be heard why.
    await isRefused(
      t,
      port,
      { ca: authority.ca, ...(await stranger.issue()) },
      /accepts? the certificate .*upstream\.tls\.cert/,
    )
  })

  it('is not talked to if only a stranger vouches for it', async (t) => {
    const why = /no trusted CA has signed .*upstream\.tls\.ca \(.*certificate/
    await isRefused(t, redis.tlsPort, { ca: stranger.ca }, why)
    await isRefused(t, redis.tlsPort, {}, why)
  })

  it('is not talked to if its certificate bears another name', async (t) => {
    const port = await serving(t, await authority.issue({ names: ['redis.example'] }))
    const why = /another name: set upstream\.tls\.serverName .*DNS:redis\.example/
    await isRefused(t, port, { ca: authority.ca }, why, 'localhost')
    await isRefused(t, port, { ca: authority.ca }, why)
    await isRefused(t, port, { ca: authority.ca, serverName: 'other.example' }, why)
  })

  it('is not talked to once its certificate has run out', async (t) => {
    const port = await serving(t, await authority.issue({ notAfter: new Date(Date.now() - 1000) }))
    await isRefused(t, port, { ca: authority.ca }, /not valid now: renew it/)
  })

  it('is not talked to with less than TLS 1.2', async (t) => {
    // Not a Redis: that would need an OpenSSL of the system that still allows TLS 1.1. Node's own does, if told that security is no matter.
    const oldest = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    const { port } = await relay(t, { cert: readFileSync(known.cert), key: readFileSync(known.key), ...oldest })
    await isRefused(t, port, { ca: authority.ca }, /no version of TLS from upstream\.tls\.minVersion on/)
  })

  it('hears nothing before it has proved who it is', async (t) => {
    // In TLS 1.2 it is the client that hears last, so that the server takes the connection for open.
    const options = { cert: readFileSync(known.cert), key: readFileSync(known.key), maxVersion: 'TLSv1.2' } as const
    const { port, sockets, heard } = await relay(t, options)
    await isRefused(t, port, { ca: stranger.ca }, /no trusted CA/)
    await until(() => sockets.length > 0 && sockets.every(({ destroyed }) => destroyed), 'it is left')
    assert.equal(heard(), 0)
  })

  it('that does not speak TLS is noticed when time is up', async (t) => {
    const server = createNetServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const greeted = once(server, 'connection').then(([socket]) => once(socket as Socket, 'data'))
    const pool = new Pool(t, port, { tls: { ca: authority.ca } })
    pool.endpoint.ensureMinimum()
    await greeted
    pool.sweep(SETTINGS.upstream.connectTimeout + 1)
    const down = pool.events.find(({ event }) => event === 'upstream_down')
    assert.match(String(down?.error), /timed out .* see that the server speaks it at this port/)
  })

  it('is met again with the session of before', async (t) => {
    const { port, sockets } = await relay(t, { cert: readFileSync(known.cert), key: readFileSync(known.key) })
    const pool = await answers(t, port, { ca: authority.ca })
    sockets[0].destroy()
    await until(() => pool.endpoint.members.size === 0 || sockets.length > 1, 'it is lost')
    assert.equal(await pool.run(pool.lane(), 'ECHO', 'y'), '$1\r\ny\r\n')
    assert.deepEqual(
      sockets.map((socket) => Boolean(socket.isSessionReused())),
      [false, true],
    )
  })

  /** A server that speaks TLS as told, and passes on to Redis what it hears. */
  async function relay(t: TestContext, options: TlsOptions) {
    const sockets: TLSSocket[] = []
    let heard = 0
    const server = createServer(options, (socket) => {
      sockets.push(socket)
      const redisSide = connect(redis.port, '127.0.0.1')
      socket.on('data', (bytes: Buffer) => (heard += bytes.length)).on('error', () => redisSide.destroy())
      socket.pipe(redisSide).pipe(socket)
      redisSide.on('error', () => socket.destroy())
    })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return { port: (server.address() as AddressInfo).port, sockets, heard: () => heard }
  }
})
