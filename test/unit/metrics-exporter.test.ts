import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { createRegistry } from '../../src/metrics/exporter.js'
import type { EndpointStats, Snapshot } from '../../src/metrics/gauges.js'
import { Recorder } from '../../src/metrics/recorder.js'
import { sumSeries } from '../helpers/exposition.js'
import manifest from '../../package.json' with { type: 'json' }

const NAMES = ['get', 'set', 'other', 'other']
const commandName = (id: number) => NAMES[id] ?? `command${id}`

const primary: EndpointStats = {
  endpoint: '10.0.0.1:6379',
  role: 'primary',
  up: true,
  breaker: 'half-open',
  connections: { idle: 1, shared: 2, pinned: 3, connecting: 4 },
  hits: 2 ** 40,
  misses: 5,
  timeouts: 6,
  stale: 7,
  waiters: 8,
  opened: 9,
  subscriptions: { channel: 14, pattern: 15, shard: 16 },
  closed: { idle: 10, 'read error': 11 },
}
const replica: EndpointStats = { ...primary, endpoint: '[::1]:6380', role: 'replica', up: false, breaker: 'open' }
const snapshot: Snapshot = {
  endpoints: [primary, replica],
  downstreamConnections: 12,
  identities: 0,
  bufferedBytes: 13,
  cache: { entries: 17, bytes: 18, servers: [{ endpoint: '10.0.0.1:6379', ready: true }] },
}

function scrape(recorder: Recorder, current: () => Snapshot = () => snapshot): Promise<string> {
  return createRegistry(recorder, commandName, current).metrics()
}

/** The lines of one metric, without its comments. */
function linesOf(text: string, name: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)))
}

/** A recorder in which everything has happened. */
function busy(): Recorder {
  const recorder = new Recorder(2)
  for (let id = 0; id < 40; id++) {
    recorder.command(id, 0.3, false)
    recorder.command(id, 3, true)
    recorder.upstream(id, 0.2)
  }
  recorder.poolWait(5)
  recorder.batch(3)
  recorder.pipeline(5000)
  recorder.pipelineDuration(1)
  recorder.pin('blocking')
  recorder.retry('lost')
  recorder.redirect('ask')
  recorder.error('pool_timeout')
  return recorder
}

const promtool = spawnSync('promtool', ['--version'], { encoding: 'utf8' })
const skip = promtool.error ? 'promtool (Debian package prometheus) is not installed' : false

describe('what promtool says', { skip }, () => {
  for (const [name, recorder, endpoints] of [
    ['at rest', new Recorder(), []],
    ['when everything has happened', busy(), [primary, replica]],
  ] as const) {
    test(`it accepts the exposition ${name}`, async () => {
      const input = await scrape(recorder, () => ({ ...snapshot, endpoints: [...endpoints] }))
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
    })
  }
})

test('a command shows as a cumulative histogram in seconds, by status', async () => {
  const recorder = new Recorder()
  for (const ms of [0.1, 0.15, 3276.8, 5000]) recorder.command(0, ms, false)
  recorder.command(0, 1.6, true)
  const text = await scrape(recorder)
  const bounds = linesOf(text, 'redis_cmd_duration_seconds_bucket')
    .filter((line) => line.includes('status="ok"'))
    .map((line) => [/le="([^"]*)"/.exec(line)?.[1], Number(line.split(' ').at(-1))])
  assert.deepEqual(bounds, [
    ['0.0001', 1],
    ...'0.0002 0.0004 0.0008 0.0016 0.0032 0.0064 0.0128 0.0256 0.0512 0.1024 0.2048 0.4096 0.8192 1.6384'
      .split(' ')
      .map((le) => [le, 2]),
    ['3.2768', 3],
    ['+Inf', 4],
  ])
  const sum = (status: string) => sumSeries(text, 'redis_cmd_duration_seconds_sum', { cmd: 'get', status })
  assert.ok(Math.abs(sum('ok') - 8.27705) < 1e-9)
  assert.equal(sum('error'), 0.0016)
  assert.equal(sumSeries(text, 'redis_cmd_duration_seconds_count', { cmd: 'get', status: 'ok' }), 4)
})

test('only commands that were seen appear, one that never failed with 0 errors', async () => {
  const recorder = new Recorder()
  recorder.command(0, 1, false)
  recorder.command(1, 1, true)
  recorder.command(1, 1, true)
  const text = await scrape(recorder)
  assert.deepEqual(linesOf(text, 'redis_cmd_errors_total'), [
    'redis_cmd_errors_total{cmd="get"} 0',
    'redis_cmd_errors_total{cmd="set"} 2',
  ])
  assert.deepEqual(
    linesOf(text, 'redis_cmd_duration_seconds_count'),
    ['{cmd="get",status="ok"} 1', '{cmd="set",status="error"} 2'].map((s) => `redis_cmd_duration_seconds_count${s}`),
  )
  assert.deepEqual(linesOf(text, 'respool_upstream_duration_seconds_count'), [])
})

test('ids of one name make one series', async () => {
  const recorder = new Recorder()
  recorder.command(2, 1, false)
  recorder.command(3, 2, false)
  recorder.command(3, 2, true)
  const text = await scrape(recorder)
  assert.deepEqual(linesOf(text, 'redis_cmd_duration_seconds_count'), [
    'redis_cmd_duration_seconds_count{cmd="other",status="ok"} 2',
    'redis_cmd_duration_seconds_count{cmd="other",status="error"} 1',
  ])
  assert.equal(sumSeries(text, 'redis_cmd_duration_seconds_sum', { status: 'ok' }), 0.003)
  assert.deepEqual(linesOf(text, 'redis_cmd_errors_total'), ['redis_cmd_errors_total{cmd="other"} 1'])
})

test('a pipeline is one observation of the command "pipeline"', async () => {
  const recorder = new Recorder()
  recorder.pipeline(1000)
  recorder.pipelineDuration(20)
  const text = await scrape(recorder)
  assert.deepEqual(linesOf(text, 'redis_cmd_duration_seconds_count'), [
    'redis_cmd_duration_seconds_count{cmd="pipeline",status="ok"} 1',
  ])
  assert.deepEqual(linesOf(text, 'respool_pipeline_commands_sum'), ['respool_pipeline_commands_sum 1000'])
  assert.equal(sumSeries(text, 'respool_pipeline_commands_bucket', { le: '512' }), 0)
  assert.equal(sumSeries(text, 'respool_pipeline_commands_bucket', { le: '1024' }), 1)
})

test('each endpoint shows its state and counts', async () => {
  const text = await scrape(new Recorder())
  const expected: [string, Record<string, string>, number][] = [
    ['respool_upstream_up', { role: 'primary' }, 1],
    ['respool_upstream_up', { role: 'replica' }, 0],
    ['respool_breaker_state', { endpoint: primary.endpoint }, 2],
    ['respool_breaker_state', { endpoint: replica.endpoint }, 1],
    ['respool_pool_connections', { endpoint: primary.endpoint, state: 'idle' }, 1],
    ['respool_pool_connections', { endpoint: primary.endpoint, state: 'shared' }, 2],
    ['respool_pool_connections', { endpoint: primary.endpoint, state: 'pinned' }, 3],
    ['respool_pool_connections', { endpoint: primary.endpoint, state: 'connecting' }, 4],
    ['respool_pool_hits_total', { endpoint: primary.endpoint }, 2 ** 40],
    ['respool_pool_misses_total', { endpoint: primary.endpoint }, 5],
    ['respool_pool_timeouts_total', { endpoint: primary.endpoint }, 6],
    ['respool_pool_stale_total', { endpoint: primary.endpoint }, 7],
    ['respool_pool_waiters', { endpoint: primary.endpoint }, 8],
    ['respool_upstream_opened_total', { endpoint: primary.endpoint }, 9],
    ['respool_upstream_closed_total', { endpoint: primary.endpoint, reason: 'idle' }, 10],
    ['respool_upstream_closed_total', { endpoint: replica.endpoint, reason: 'read error' }, 11],
    ['respool_downstream_connections', {}, 12],
    ['respool_buffered_bytes', {}, 13],
  ]
  for (const [name, labels, value] of expected)
    assert.equal(sumSeries(text, name, labels), value, `${name} ${JSON.stringify(labels)}`)
})

test('counters by reason, kind, code and direction show what was recorded', async () => {
  const recorder = busy()
  recorder.bytesIn = 2 ** 33
  recorder.bytesOut = 2
  recorder.upstreamBytesIn = 3
  recorder.upstreamBytesOut = 4
  recorder.connectionsAccepted = 5
  recorder.connectionsRefused = 6
  const text = await scrape(recorder)
  const expected: [string, Record<string, string>, number][] = [
    ['respool_pins_total', { reason: 'blocking' }, 1],
    ['respool_pins_total', { reason: 'watch' }, 0],
    ['respool_retries_total', { reason: 'lost' }, 1],
    ['respool_redirects_total', { kind: 'ask' }, 1],
    ['respool_errors_total', { code: 'pool_timeout' }, 1],
    ['respool_downstream_bytes_total', { direction: 'in' }, 2 ** 33],
    ['respool_downstream_bytes_total', { direction: 'out' }, 2],
    ['respool_upstream_bytes_total', { direction: 'in' }, 3],
    ['respool_upstream_bytes_total', { direction: 'out' }, 4],
    ['respool_downstream_accepted_total', {}, 5],
    ['respool_downstream_refused_total', {}, 6],
    ['respool_batch_commands_sum', {}, 3],
    ['respool_pool_wait_seconds_sum', {}, 0.005],
  ]
  for (const [name, labels, value] of expected)
    assert.equal(sumSeries(text, name, labels), value, `${name} ${JSON.stringify(labels)}`)
})

test('the version and the figures of Node.js are there', async () => {
  const text = await scrape(new Recorder())
  assert.equal(sumSeries(text, 'respool_build_info', { version: manifest.version, node: process.versions.node }), 1)
  assert.ok(sumSeries(text, 'process_resident_memory_bytes', {}) > 0)
  assert.ok(sumSeries(text, 'process_cpu_seconds_total', {}) > 0)
})

test('one scrape takes one snapshot, the next one a new one', async () => {
  let asked = 0
  const registry = createRegistry(new Recorder(), commandName, () => ({
    ...snapshot,
    downstreamConnections: ++asked,
  }))
  assert.equal(sumSeries(await registry.metrics(), 'respool_downstream_connections', {}), 1)
  assert.equal(sumSeries(await registry.metrics(), 'respool_downstream_connections', {}), 2)
  assert.equal(asked, 2)
})

test('a snapshot that cannot be had makes the scrape fail', async () => {
  const failing = () => {
    throw new Error('no snapshot')
  }
  await assert.rejects(scrape(new Recorder(), failing), /no snapshot/)
})

test('as JSON, every series has all its labels', async () => {
  const recorder = new Recorder()
  recorder.command(0, 1, false)
  const metrics = await createRegistry(recorder, commandName, () => snapshot).getMetricsAsJSON()
  const durations = metrics.find((metric) => metric.name === 'redis_cmd_duration_seconds')
  assert.deepEqual(durations?.values[0].labels, { le: '0.0001', cmd: 'get', status: 'ok' })
  assert.deepEqual(durations.values.at(-1)?.labels, { cmd: 'get', status: 'ok' })
})
