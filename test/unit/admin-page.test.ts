/** What the status page is made of: its files, its events, and the arithmetic behind its figures. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fastify from 'fastify'
import { Broadcast } from '../../src/admin/broadcast.js'
import { addPage } from '../../src/admin/page.js'
import type { AdminSource } from '../../src/admin/source.js'
import { boundsOf } from '../../src/metrics/histogram.js'
import { Recorder, TIMES } from '../../src/metrics/recorder.js'
import { vitalsOf, type Vitals } from '../../src/metrics/vitals.js'
import { createLogger } from '../../src/util/log.js'

const silent = createLogger('silent')

function pageAlone() {
  const app = fastify()
  addPage(app, {} as AdminSource, silent)
  return app
}

test('the page goes out with its type, a tag of its content, and a policy that names nothing but its own origin', async () => {
  const app = pageAlone()
  const types = { '/': 'text/html', '/page/style.css': 'text/css', '/page/page.js': 'text/javascript' }
  for (const [url, type] of Object.entries({ ...types, '/page/icon.svg': 'image/svg+xml' })) {
    const { statusCode, headers, body } = await app.inject(url)
    assert.equal(statusCode, 200, url)
    assert.equal(String(headers['content-type']).split(';')[0], type)
    assert.equal(headers['cache-control'], 'no-cache')
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/)
    assert.doesNotMatch(policy, /unsafe|\*|https?:|data:/)
    assert.doesNotMatch(body, /(src|href|from|url\()\s*=?\s*['"(]?(https?:)?\/\//, `${url} names another origin`)
    const etag = String(headers.etag)
    const again = await app.inject({ url, headers: { 'if-none-match': `"other", ${etag}` } })
    assert.deepEqual([again.statusCode, again.body], [304, ''])
    assert.equal((await app.inject({ url, headers: { 'if-none-match': '"other"' } })).statusCode, 200)
  }
})

test('no other file can be had', async () => {
  const app = pageAlone()
  for (const url of ['/page/nothing', '/page/..%2fpage.js', '/page/%2e%2e%2freplies.js', '/page/__proto__'])
    assert.equal((await app.inject(url)).statusCode, 404, url)
})

/** Lets promises and streams come to rest. */
const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('one message a second is made for all listeners together, and none once the last has left', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let taken = 0
  const broadcast = new Broadcast(() => String(++taken), 2, assert.ifError)
  const [first, second] = [broadcast.join()!, broadcast.join()!]
  assert.equal(broadcast.join(), null)
  const heard = [first, second].map(() => '')
  ;[first, second].forEach((stream, nth) => stream.on('data', (text) => (heard[nth] += String(text))))
  await settled()
  t.mock.timers.tick(1000)
  await settled()
  assert.deepEqual(heard, ['data: 1\n\ndata: 2\n\n', 'data: 1\n\ndata: 2\n\n'])

  first.destroy()
  await settled()
  t.mock.timers.tick(1000)
  await settled()
  assert.equal(taken, 3)
  second.destroy()
  await settled()
  t.mock.timers.tick(10_000)
  await settled()
  assert.deepEqual([taken, broadcast.listeners], [3, 0])
})

test('who comes later begins with the latest message; who does not read is left', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let message = 'small'
  const broadcast = new Broadcast(() => message, 2, assert.ifError)
  const reader = broadcast.join()!
  reader.resume()
  await settled()
  const idle = broadcast.join()!
  assert.equal(String(idle.read()), 'data: small\n\n')
  message = 'x'.repeat(700_000)
  for (let second = 0; second < 3; second++) {
    t.mock.timers.tick(1000)
    await settled()
  }
  assert.deepEqual([idle.destroyed, reader.destroyed], [true, false])
  broadcast.close()
})

test('what fails while a message is made is told, and ends the streams', async () => {
  const faults: unknown[] = []
  const broken = new Error('broken')
  const broadcast = new Broadcast(
    () => Promise.reject(broken),
    1,
    (fault) => faults.push(fault),
  )
  const stream = broadcast.join()!
  await settled()
  assert.deepEqual([faults, stream.destroyed, broadcast.listeners], [[broken], true, 0])
})

interface Rates {
  commands: number
  errors: number
  times: number[]
  byCommand: { name: string; rate: number; total: number }[]
}
interface PageModules {
  between: (before: object, after: object) => Rates | null
  quantile: (part: number, bounds: number[], counts: number[]) => number | null
  number: (value: number) => string
  bytes: (value: number) => string
  milliseconds: (ms: number) => string
  duration: (seconds: number) => string
  logarithmic: (values: number[]) => { levels: number[]; part: (value: number) => number }
  linear: (values: number[]) => { levels: number[] }
}
// As a browser sees them: no compiler knows their types.
const modules = await Promise.all(
  ['rates', 'format', 'scales'].map((name) => import(`../../src/admin/page/${name}.js`) as Promise<object>),
)
const page = Object.assign({}, ...modules) as PageModules

test('rates are what lies between two samples of what was recorded', () => {
  const recorder = new Recorder()
  const names = ['get', 'set']
  const sample = (uptime: number): { uptime: number; vitals: Vitals } => ({
    uptime,
    vitals: vitalsOf(recorder, (id) => names[id]),
  })
  recorder.command(0, 1, false)
  recorder.command(1, 1, false)
  const before = sample(10)
  for (let nth = 0; nth < 6; nth++) recorder.command(0, 3, nth === 0)
  const rates = page.between(before, sample(12))!
  assert.deepEqual([rates.commands, rates.errors], [3, 0.5])
  const rows = rates.byCommand.map(({ name, rate, total }) => [name, rate, total])
  assert.deepEqual(rows, [
    ['get', 3, 7],
    ['set', 0, 1],
  ])
  assert.equal(page.quantile(0.5, boundsOf(TIMES), rates.times), 1.6 + 1.6 / 2)
  assert.equal(page.between(before, sample(5)), null)
})

test('a quantile is null of nothing, and at most the last bound', () => {
  assert.equal(page.quantile(0.5, [1, 2], [0, 0, 0]), null)
  assert.equal(page.quantile(0.99, [1, 2], [0, 0, 5]), 2)
  assert.equal(page.quantile(0.25, [1, 2], [4, 0, 0]), 0.25)
})

test('figures are short', () => {
  const numbers: [number, string][] = [
    [0, '0'],
    [7, '7'],
    [12.345, '12.3'],
    [999, '999'],
    [999.7, '1k'],
    [45_600, '45.6k'],
    [2e15, '2000T'],
  ]
  for (const [value, text] of numbers) assert.equal(page.number(value), text)
  assert.equal(page.bytes(1_500_000), '1.5 MB')
  assert.deepEqual([0.02, 1, 12.34, 2500].map(page.milliseconds), ['20 µs', '1 ms', '12.3 ms', '2.5 s'])
  assert.deepEqual([0.2, 5, 60, 3_725, 90_000].map(page.duration), [
    'under 1 s',
    '5 s',
    '1 min',
    '1 h 2 min',
    '1 d 1 h',
  ])
})

test('axes hold all values', () => {
  assert.deepEqual(page.linear([]).levels, [0, 0.5, 1])
  assert.deepEqual(page.linear([3, 35]).levels, [0, 20, 40])
  const axis = page.logarithmic([0.2, 30])
  assert.deepEqual(axis.levels, [0.1, 1, 10, 100])
  assert.deepEqual([0, 0.1, 100].map(axis.part), [0, 0, 1])
})
