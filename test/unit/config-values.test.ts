import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeAddress, parseAddress, parsePlace, reaches } from '../../src/config/address.ts'
import { Mistake } from '../../src/config/mistake.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/units.ts'
import { formatUpstreamUrl, parseUpstreamUrl } from '../../src/config/upstream-url.ts'

const tcp = (host: string, port: number) => ({ kind: 'tcp' as const, host, port })

describe('durations and sizes', () => {
  it('reads durations as milliseconds', () => {
    const given = ['250ms', '4s', '2.5s', '2.3s', '5m', '1h', '0', '1500', 1500, 0]
    assert.deepEqual(given.map(parseDuration), [250, 4000, 2500, 2300, 300_000, 3_600_000, 0, 1500, 1500, 0])
  })

  it('reads sizes as bytes, in units of 1024, in either case', () => {
    const given = ['64kb', '512mb', '1gb', '1.5MB', '100', 7]
    assert.deepEqual(given.map(parseSize), [65_536, 536_870_912, 1_073_741_824, 1_572_864, 100, 7])
  })

  it('refuses fractions of a millisecond or byte', () => {
    assert.throws(() => parseDuration('0.5ms'), Mistake)
    assert.throws(() => parseSize('0.3kb'), Mistake)
  })

  it('writes the shortest exact form', () => {
    assert.deepEqual([0, 250, 2500, 4000, 300_000, 3_600_000].map(formatDuration), [
      0,
      '250ms',
      '2500ms',
      '4s',
      '5m',
      '1h',
    ])
    assert.deepEqual([0, 100, 65_536, 1_572_864, 2 ** 30].map(formatSize), [0, 100, '64kb', '1536kb', '1gb'])
  })
})

describe('addresses', () => {
  const forms = {
    '127.0.0.1:6379': tcp('127.0.0.1', 6379),
    ':6379': tcp('', 6379),
    '[::1]:6379': tcp('::1', 6379),
    'localhost:0': tcp('localhost', 0),
    'my_redis.default.svc:65535': tcp('my_redis.default.svc', 65_535),
    'unix:/run/x y.sock': { kind: 'unix' as const, path: '/run/x y.sock' },
  }

  it('reads every form, and writes it back', () => {
    for (const [text, address] of Object.entries(forms)) {
      assert.deepEqual(parseAddress(text), address)
      assert.equal(describeAddress(address), text)
    }
  })

  for (const text of [
    '',
    'localhost',
    '6379',
    ':',
    'h:',
    'h:x',
    'h:65536',
    'h:-1',
    '::1:6379',
    '[::1]',
    '[x]:1',
    'a b:1',
    'unix:',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseAddress(text), Mistake))
  }

  it('that are announced can be dialled', () => {
    assert.deepEqual(parsePlace('redis.local:6379'), { host: 'redis.local', port: 6379 })
    assert.deepEqual(parsePlace('[::1]:1'), { host: '::1', port: 1 })
    for (const text of ['', 'h', ':1', 'h:0', 'h:65536', 'unix:/s'])
      assert.throws(() => parsePlace(text), Mistake, text)
  })

  it('knows which connections end at a listener', () => {
    const ends = (target: string, listener: string) => reaches(parseAddress(target), parseAddress(listener))
    assert.ok(ends('127.0.0.1:1', '127.0.0.1:1'))
    assert.ok(ends('Redis:1', 'redis:1'))
    assert.ok(ends('localhost:1', '127.0.0.1:1'))
    assert.ok(ends('[::1]:1', 'localhost:1'))
    assert.ok(ends('[::1]:1', ':1'))
    assert.ok(ends('localhost:1', '0.0.0.0:1'))
    assert.ok(ends('unix:/a', 'unix:/a'))
    assert.ok(!ends('127.0.0.1:1', '127.0.0.1:2'))
    assert.ok(!ends('127.0.0.2:1', '127.0.0.1:1'))
    assert.ok(!ends('[::1]:1', '0.0.0.0:1'))
    assert.ok(!ends('redis:1', ':1'))
    assert.ok(!ends('unix:/a', 'unix:/b'))
    assert.ok(!ends('127.0.0.1:0', '127.0.0.1:0'))
  })
})

describe('upstream URLs', () => {
  const plain = { kind: 'standalone', service: null, database: 0, tls: false, username: null, password: null }
  const forms = {
    'redis://h': { ...plain, endpoints: [tcp('h', 6379)] },
    'redis://h/': { ...plain, endpoints: [tcp('h', 6379)] },
    'redis://h:1/3': { ...plain, endpoints: [tcp('h', 1)], database: 3 },
    'redis://h:1?db=3': { ...plain, endpoints: [tcp('h', 1)], database: 3 },
    'redis://h:1/?db=3': { ...plain, endpoints: [tcp('h', 1)], database: 3 },
    'redis://[::1]:7': { ...plain, endpoints: [tcp('::1', 7)] },
    'redis://[::1]': { ...plain, endpoints: [tcp('::1', 6379)] },
    'redis://user@h': { ...plain, endpoints: [tcp('h', 6379)], username: 'user' },
    'redis://:pass@h': { ...plain, endpoints: [tcp('h', 6379)], password: 'pass' },
    'redis://@h': { ...plain, endpoints: [tcp('h', 6379)] },
    'redis://u%40x:p%3A%2F%40:%C3%BC@h': { ...plain, endpoints: [tcp('h', 6379)], username: 'u@x', password: 'p:/@:ü' },
    'redis://u:a@b@h': { ...plain, endpoints: [tcp('h', 6379)], username: 'u', password: 'a@b' },
    'rediss://h': { ...plain, endpoints: [tcp('h', 6379)], tls: true },
    'redis+unix:///run/r.sock': { ...plain, endpoints: [{ kind: 'unix', path: '/run/r.sock' }] },
    'redis+unix://:p@/r%20s?db=2': {
      ...plain,
      endpoints: [{ kind: 'unix', path: '/r s' }],
      database: 2,
      password: 'p',
    },
    'redis+cluster://a:1,b,[::1]:3': {
      ...plain,
      kind: 'cluster',
      endpoints: [tcp('a', 1), tcp('b', 6379), tcp('::1', 3)],
    },
    'rediss+cluster://u:p@a:1': {
      ...plain,
      kind: 'cluster',
      endpoints: [tcp('a', 1)],
      tls: true,
      username: 'u',
      password: 'p',
    },
    'redis+sentinel://a:1,b/my%2Fone': {
      ...plain,
      kind: 'sentinel',
      endpoints: [tcp('a', 1), tcp('b', 26_379)],
      service: 'my/one',
    },
    'rediss+sentinel://a:1/one/4': {
      ...plain,
      kind: 'sentinel',
      endpoints: [tcp('a', 1)],
      service: 'one',
      database: 4,
      tls: true,
    },
  }

  for (const [url, expected] of Object.entries(forms)) {
    it(`reads ${url}`, () => assert.deepEqual(parseUpstreamUrl(url), expected))

    it(`writes ${url} back without user and password`, () => {
      const again = parseUpstreamUrl(formatUpstreamUrl(parseUpstreamUrl(url)))
      assert.deepEqual(again, { ...expected, username: null, password: null })
    })
  }

  const wrong = {
    'h:6379': /one of redis:\/\//,
    'http://h': /one of redis:\/\//,
    'constructor://h': /one of redis:\/\//,
    'redis://': /host name/,
    'redis://:6379': /host name/,
    'redis://h:0': /port from 1 to 65535/,
    'redis://h:70000': /port from 1/,
    'redis://h/x': /database number/,
    'redis://h/-1': /database number/,
    'redis://h/2147483648': /database number/,
    'redis://h/1/2': /parts in its path/,
    'redis://h/1?db=2': /only once/,
    'redis://h?timeout=3': /other than one db/,
    'redis://h?db=1&db=2': /other than one db/,
    'redis://a,b': /one host/,
    'redis://u:%zz@h': /%25/,
    'redis+unix://run/r.sock': /absolute path/,
    'redis+unix://': /absolute path/,
    'redis+cluster://a:1/2': /only 0/,
    'redis+cluster://a:1,': /host name/,
    'redis+sentinel://a:1': /service/,
    'redis+sentinel://a:1//2': /service/,
  }
  for (const [url, message] of Object.entries(wrong)) {
    it(`refuses ${url} and says why`, () =>
      assert.throws(() => parseUpstreamUrl(url), { constructor: Mistake, message }))
  }

  it('never repeats a password, wherever an unescaped character puts it', () => {
    for (const secret of [
      'hunter2/x',
      'x/hunter2',
      'hunter2?x',
      'x?hunter2=1',
      'x/y/hunter2',
      '%hunter2',
      'x:hunter2/',
      'a,hunter2/',
    ]) {
      for (const scheme of ['redis', 'redis+cluster', 'redis+sentinel', 'redis+unix']) {
        assert.throws(
          () => parseUpstreamUrl(`${scheme}://user:${secret}@host:port`),
          (error: Error) => error instanceof Mistake && !error.message.includes('hunter2'),
        )
      }
    }
  })
})
