import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { Counter, Registry } from 'prom-client'
import { objection } from '../../src/admin/authority.js'
import { isForeignHost } from '../../src/admin/host.js'
import { createAdmin, type AdminSource } from '../../src/admin/server.js'
import { vitalsOf } from '../../src/metrics/vitals.js'
import { Recorder } from '../../src/metrics/recorder.js'
import { createLogger } from '../../src/util/log.js'

const CALLS = ['/reload', '/drain', '/loglevel']
const NOTED = ['/slowlog', '/hotkeys', '/audit']
const PATHS = ['/metrics', '/livez', '/readyz', '/startupz', '/stats', '/topology', '/clients', '/config', ...NOTED]

/** An admin server over a source with the given parts, and what it logged. */
function adminOver(parts: Partial<AdminSource> = {}) {
  const registry = new Registry()
  new Counter({ name: 'things_total', help: 'Things.', registers: [registry] }).inc(3)
  const source: AdminSource = {
    registry,
    ready: () => ({ ready: true, reasons: [] }),
    started: () => true,
    stats: () => ({ commands: 1 }),
    vitals: () => vitalsOf(new Recorder(), () => 'other'),
    topology: () => ({ slots: [] }),
    clients: () => [{ id: 1 }],
    config: () => ({ listen: ['127.0.0.1:6379'] }),
    token: () => null,
    reload: () => Promise.resolve({ result: 'unchanged' }),
    drain: () => {},
    setLogLevel: () => {},
    slowlog: () => ({ commands: [] }),
    hotkeys: () => ({ keys: [] }),
    audit: () => ({ listeners: [] }),
    ...parts,
  }
  const lines: Record<string, unknown>[] = []
  const sink = new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      lines.push(JSON.parse(line) as Record<string, unknown>)
      done()
    },
  })
  return { app: createAdmin(source, createLogger('info', sink)), lines }
}

test('metrics go out as Prometheus text', async () => {
  const { app } = adminOver()
  const response = await app.inject('/metrics')
  assert.equal(response.statusCode, 200)
  assert.equal(response.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(response.body, /^things_total 3$/m)
})

test('each view goes out as JSON', async () => {
  const { app } = adminOver()
  const expected = {
    '/livez': { alive: true },
    '/readyz': { ready: true, reasons: [] },
    '/startupz': { started: true },
    '/stats': { commands: 1 },
    '/topology': { slots: [] },
    '/clients': [{ id: 1 }],
    '/config': { listen: ['127.0.0.1:6379'] },
    '/slowlog': { commands: [] },
    '/hotkeys': { keys: [] },
    '/audit': { listeners: [] },
  }
  for (const [path, body] of Object.entries(expected)) {
    const response = await app.inject(path)
    assert.equal(response.statusCode, 200, path)
    assert.equal(response.headers['content-type'], 'application/json; charset=utf-8', path)
    assert.deepEqual(response.json(), body)
  }
})

test('not ready is 503 with the reasons', async () => {
  const state = { ready: false, reasons: ['no primary for slots 0-5460'] }
  const { app } = adminOver({ ready: () => state })
  const response = await app.inject('/readyz')
  assert.equal(response.statusCode, 503)
  assert.deepEqual(response.json(), state)
})

test('not started is 503, and says nothing about being alive', async () => {
  const { app } = adminOver({ started: () => false })
  const response = await app.inject('/startupz')
  assert.equal(response.statusCode, 503)
  assert.deepEqual(response.json(), { started: false })
  assert.equal((await app.inject('/livez')).statusCode, 200)
})

test('HEAD answers as GET does, without the body', async () => {
  const { app } = adminOver({ ready: () => ({ ready: false, reasons: ['x'] }) })
  const response = await app.inject({ method: 'HEAD', url: '/readyz' })
  assert.deepEqual([response.statusCode, response.body], [503, ''])
})

test('an unknown path is 404 and lists the routes', async () => {
  const { app } = adminOver()
  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    const response = await app.inject({ method, url: '/nothing?at=all' })
    assert.equal(response.statusCode, 404)
    const { routes } = response.json<{ routes: { url: string; methods: string[] }[] }>()
    assert.deepEqual(routes, [
      ...PATHS.map((url) => ({ url, methods: ['GET', 'HEAD'] })),
      ...CALLS.map((url) => ({ url, methods: ['POST'] })),
      ...['/', '/page/:file'].map((url) => ({ url, methods: ['GET', 'HEAD'] })),
      { url: '/events', methods: ['GET'] },
    ])
  }
})

test('a wrong method is 405 with the right ones, whatever body comes with it', async () => {
  const { app } = adminOver()
  for (const [payload, type] of [
    ['{"a":1}', 'application/json'],
    ['{', 'application/json'],
    ['<a/>', 'text/xml'],
    ['x'.repeat(1 << 20), 'text/plain'],
  ]) {
    const headers = { 'content-type': type }
    const response = await app.inject({ method: 'POST', url: '/metrics?x=1', payload, headers })
    assert.equal(response.statusCode, 405)
    assert.equal(response.headers.allow, 'GET, HEAD')
  }
})

test('answers are not to be cached or sniffed, errors included', async () => {
  const { app } = adminOver({
    stats: () => {
      throw new Error('broken')
    },
  })
  for (const url of [...PATHS, '/nothing', '/%zz']) {
    const { headers } = await app.inject(url)
    assert.equal(headers['cache-control'], 'no-store', url)
    assert.equal(headers['x-content-type-options'], 'nosniff', url)
  }
})

test('a malformed path is 400', async () => {
  const { app, lines } = adminOver()
  const response = await app.inject('/%zz')
  assert.deepEqual([response.statusCode, response.json<{ error: string }>().error], [400, 'Bad Request'])
  assert.deepEqual(lines, [])
})

const circular: Record<string, unknown> = {}
circular.self = circular
const broken = () => {
  throw new Error('secret detail')
}
const registry = new Registry()
new Counter({ name: 'bad_total', help: 'Bad.', registers: [registry], collect: broken })

for (const [path, parts] of Object.entries<Partial<AdminSource>>({
  '/metrics': { registry },
  '/readyz': { ready: broken },
  '/startupz': { started: broken },
  '/stats': { stats: () => circular },
  '/topology': { topology: () => ({ epoch: 1n }) },
  '/clients': { clients: broken },
  '/config': { config: broken },
})) {
  test(`a fault behind ${path} is a 500 and a log line, and the server goes on`, async () => {
    const { app, lines } = adminOver(parts)
    const response = await app.inject(path)
    assert.equal(response.statusCode, 500)
    assert.equal(response.headers['content-type'], 'application/json; charset=utf-8')
    assert.equal(response.json<{ error: string }>().error, 'Internal Server Error')
    assert.doesNotMatch(response.body, /secret|circular|BigInt/)
    assert.deepEqual(
      lines.map(({ level, event, route }) => ({ level, event, route })),
      [{ level: 'error', event: 'admin_error', route: path }],
    )
    assert.match(JSON.stringify(lines[0].err), /secret detail|circular|BigInt/)
    assert.equal((await app.inject('/livez')).statusCode, 200)
  })
}

test('a loopback listener answers to its address and localhost, to no other name', async (t) => {
  const { app } = adminOver()
  t.after(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const status = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      httpRequest({ port, path: '/config', headers: { host } }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode))
      })
        .on('error', reject)
        .end()
    })
  for (const host of [`127.0.0.1:${port}`, 'localhost', `LOCALHOST:${port}`, '[::1]', '10.1.2.3:80'])
    assert.equal(await status(host), 200, host)
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example'])
    assert.equal(await status(host), 403, host)
})

test('other listeners answer to any name', () => {
  const at = (address: string) => ({ address, port: 1, family: 'IPv4' })
  assert.equal(isForeignHost('metrics.example', at('0.0.0.0')), false)
  assert.equal(isForeignHost('metrics.example', at('10.0.0.7')), false)
  assert.equal(isForeignHost('metrics.example', '/run/respool.sock'), false)
  assert.equal(isForeignHost('metrics.example', at('::1')), true)
})

test('it listens on a unix socket, for any host name', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'admin-'))
  t.after(() => rm(directory, { recursive: true }))
  const { app } = adminOver()
  t.after(() => app.close())
  const path = join(directory, 'admin.sock')
  await app.listen({ path })
  const body = await new Promise<string>((resolve, reject) => {
    httpRequest({ socketPath: path, path: '/livez', headers: { host: 'any.example' } }, (r) => resolve(text(r)))
      .on('error', reject)
      .end()
  })
  assert.equal(body, '{"alive":true}')
})

const LOOPBACK = { address: '127.0.0.1', port: 9121, family: 'IPv4' }
const EVERYWHERE = { address: '0.0.0.0', port: 9121, family: 'IPv4' }

test('calls that change something are for loopback and unix sockets, or for who has the token', () => {
  for (const address of [LOOPBACK, { ...LOOPBACK, address: '::1' }, '/run/respool.sock'])
    assert.equal(objection({}, address, null), null)
  assert.equal(objection({}, EVERYWHERE, null)?.status, 403)
  for (const address of [LOOPBACK, EVERYWHERE, '/run/respool.sock']) {
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Bearer tokem',
      'Bearer token2',
      'Basic token',
      'token',
    ])
      assert.equal(objection({ authorization }, address, 'token')?.status, 401, authorization)
    for (const authorization of ['Bearer token', 'bearer token'])
      assert.equal(objection({ authorization }, address, 'token'), null)
  }
})

test('pages of other origins may not call, whatever they bear', () => {
  const host = '127.0.0.1:9121'
  const authorization = 'Bearer token'
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:8080' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: `http://${host}`, 'sec-fetch-site': 'cross-site' },
  ])
    for (const token of [null, 'token'])
      assert.equal(objection({ host, authorization, ...headers }, LOOPBACK, token)?.status, 403)
  assert.equal(objection({ host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }, LOOPBACK, null), null)
  assert.equal(objection({ host, 'sec-fetch-site': 'none' }, LOOPBACK, null), null)
})

test('a call without the token does nothing, and learns how to bear it', async () => {
  let levels = 0
  const { app } = adminOver({ token: () => 'right', setLogLevel: () => levels++ })
  const call = (authorization: string) =>
    app.inject({ method: 'POST', url: '/loglevel?level=debug', headers: { authorization } })
  const refused = await call('Bearer wrong')
  assert.deepEqual(
    [refused.statusCode, refused.headers['www-authenticate'], levels],
    [401, 'Bearer realm="respool"', 0],
  )
  assert.match(refused.json<{ message: string }>().message, /adminToken/)
  assert.deepEqual([(await call('Bearer right')).statusCode, levels], [200, 1])
  assert.equal((await app.inject('/stats')).statusCode, 200, 'looking is free')
})

test('a level comes in the query or as JSON; another word is 400', async () => {
  const levels: string[] = []
  const { app } = adminOver({ setLogLevel: (level) => levels.push(level) })
  const post = async (url: string, payload?: object) =>
    (await app.inject({ method: 'POST', url, ...(payload && { payload }) })).statusCode
  assert.equal(await post('/loglevel?level=trace'), 200)
  assert.equal(await post('/loglevel', { level: 'warn' }), 200)
  for (const payload of [undefined, {}, { level: 3 }, { level: 'loud' }, { level: ['info'] }])
    assert.equal(await post('/loglevel', payload), 400)
  assert.deepEqual(levels, ['trace', 'warn'])
})

test('a refused reload is 422 with what is wrong', async () => {
  const problems = [{ source: 'f', line: 3, path: 'pool.max', message: 'must be' }]
  const { app } = adminOver({ reload: () => Promise.resolve({ result: 'refused', problems }) })
  const response = await app.inject({ method: 'POST', url: '/reload' })
  assert.equal(response.statusCode, 422)
  assert.deepEqual(response.json<{ problems: object }>().problems, problems)
})

/** What the server answers to raw bytes. */
async function answerTo(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  return text(socket)
}

test('a strange method, an oversized header and garbage are refused, and the server goes on', async (t) => {
  const { app } = adminOver()
  t.after(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const rest = 'HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
  assert.match(await answerTo(port, `PROPFIND /metrics ${rest}\r\n`), /^HTTP\/1\.1 405 /)
  assert.match(await answerTo(port, `GET /livez ${rest}X: ${'x'.repeat(10_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  assert.match(await answerTo(port, '*1\r\n$4\r\nPING\r\n'), /^HTTP\/1\.1 400 /)
  assert.match(await answerTo(port, `GET /livez ${rest}\r\n`), /^HTTP\/1\.1 200 /)
})

test('closing does not wait for a request that was never finished', async () => {
  const { app } = adminOver()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const connected = new Promise((resolve) => app.server.once('connection', resolve))
  const ended = answerTo(port, 'GET /livez HTTP/1.1\r\nHost: loc')
  await connected
  await app.close()
  assert.equal(await ended, '')
})
