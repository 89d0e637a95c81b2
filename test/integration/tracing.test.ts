/** Spans of commands, as a collector of OpenTelemetry gets them. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startCluster } from '../helpers/cluster.ts'
import { Collector } from '../helpers/collector.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, pipeline } from './support.ts'

describe('tracing', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let collector: Collector

  before(async () => {
    redis = suite.add(await startRedis())
    collector = suite.add(await Collector.start())
  })
  after(() => suite.run())

  function startTraced(sampleRatio: number, endpoint = collector.url) {
    return startRespool({ upstream: redis.url, config: { tracing: { endpoint, sampleRatio } } })
  }

  it('makes one span of each command: name, route, server, outcome and times, and nothing else', async () => {
    const respool = await startTraced(1)
    const client = suite.client(await RawClient.connect(respool.port))
    const began = Date.now()
    await ask(client, 'SET', 'secret-key', 'secret-value')
    await ask(client, 'LPUSH', 'secret-key', 'secret-value')
    await ask(client, 'BLPOP', 'secret-list', '0.1')
    await ask(client, 'CLIENT', 'SETNAME', 'secret-name')
    await pipeline(client, [
      ['GET', 'secret-key'],
      ['NOSUCH', 'secret-value'],
      ['ECHO', 'secret-value'],
    ])
    assert.equal(await respool.stop(), 0, 'spans that are left are sent before the end')

    const server = { 'respool.endpoint': `127.0.0.1:${redis.port}` }
    const seen = collector.spans.map(({ name, failed, attributes }) => ({ name, failed, ...attributes }))
    const expected: [string, boolean, object][] = [
      ['blpop', false, { 'respool.route': 'leased', ...server }],
      ['client', false, { 'respool.route': 'local' }],
      ['echo', false, { 'respool.route': 'local' }],
      ['get', false, { 'respool.route': 'shared', ...server }],
      ['lpush', true, { 'respool.route': 'shared', ...server }],
      ['other', true, { 'respool.route': 'shared', ...server }],
      ['set', false, { 'respool.route': 'shared', ...server }],
    ]
    assert.deepEqual(
      seen.sort((a, b) => (a.name < b.name ? -1 : 1)),
      expected.map(([name, failed, more]) => ({
        name,
        failed,
        'db.system.name': 'redis',
        'db.operation.name': name,
        ...more,
      })),
    )
    assert.doesNotMatch(collector.text, /secret/)
    const blocked = collector.spans.find(({ name }) => name === 'blpop')!
    assert.ok(blocked.end - blocked.start >= 90, 'it takes as long as the command took')
    for (const { kind, start, end, parentSpanId } of collector.spans) {
      assert.deepEqual([kind, parentSpanId], [2, undefined])
      assert.ok(start >= began - 1 && end >= start && end <= Date.now() + 1)
    }
    assert.equal(new Set(collector.spans.map(({ traceId }) => traceId)).size, expected.length)
    assert.equal(collector.resources[0]['service.name'], 'respool')
  })

  it('names no single server for a command that several have carried out', async () => {
    const before = collector.spans.length
    const cluster = suite.add(await startCluster())
    const config = { tracing: { endpoint: collector.url, sampleRatio: 1 } }
    const respool = await startRespool({ upstream: cluster.url, config })
    const client = suite.client(await RawClient.connect(respool.port))
    await ask(client, 'MGET', 'a', 'b', 'c')
    await respool.stop()
    const seen = collector.spans
      .slice(before)
      .map(({ name, attributes }) => [name, attributes['respool.route'], attributes['respool.endpoint']])
    assert.deepEqual(seen, [['mget', 'split', undefined]])
  })

  it('makes them of the part that is asked for', async () => {
    const before = collector.spans.length
    const respool = await startTraced(0.5)
    const client = suite.client(await RawClient.connect(respool.port))
    await pipeline(
      client,
      Array.from({ length: 1000 }, () => ['PING']),
    )
    await respool.stop()
    const part = collector.spans.length - before
    // Ten standard deviations to either side.
    assert.ok(part > 340 && part < 660, `${part} of 1000`)
  })

  it('says when the collector is away, and goes on', async () => {
    const respool = suite.add(await startTraced(1, 'http://127.0.0.1:1/v1/traces'))
    const client = suite.client(await RawClient.connect(respool.port))
    await pipeline(
      client,
      Array.from({ length: 600 }, () => ['PING']),
    )
    await until(() => respool.output().includes('"event":"tracing_failed"'), 'the log tells')
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    assert.equal(await respool.stop(), 0)
  })

  it('is not even loaded unless it is configured', async () => {
    const loaded = async (config: object) => {
      const respool = await startRespool({ upstream: redis.url, config, env: { NODE_DEBUG: 'module' } })
      await respool.stop()
      assert.match(respool.output(), /node_modules\/fastify/)
      return respool.output().includes('node_modules/@opentelemetry/sdk-trace')
    }
    assert.equal(await loaded({ tracing: { endpoint: collector.url } }), true)
    assert.equal(await loaded({}), false)
  })
})
