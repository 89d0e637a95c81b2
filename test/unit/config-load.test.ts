import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { KEYS } from '../../src/config/keys.ts'
import { describeProblems, load, type ConfigProblem, type Loaded } from '../../src/config/load.ts'
import { printable, publicConfig } from '../../src/config/render.ts'

const UPSTREAM = ['--upstream', 'redis://10.0.0.1:6380']

interface Given {
  argv?: string[]
  env?: Record<string, string>
  /** Content of respool.yaml, given with -c. */
  yaml?: string
  /** Further files. */
  files?: Record<string, string>
}

function loaded({ argv = [], env = {}, yaml, files = {} }: Given): Loaded {
  const all: Record<string, string> = { ...files, ...(yaml === undefined ? {} : { 'respool.yaml': yaml }) }
  const readFile = (path: string): string => {
    if (all[path] === undefined) throw Object.assign(new Error(`no such file ${path}`), { code: 'ENOENT' })
    return all[path]
  }
  return load({ argv: yaml === undefined ? argv : ['-c', 'respool.yaml', ...argv], env, readFile })
}

function config(given: Given): Config {
  const result = loaded(given)
  assert.ok(result.ok === true, result.ok === false ? describeProblems(result.errors) : 'not a configuration')
  return result.config
}

function problems(given: Given): ConfigProblem[] {
  const result = loaded(given)
  assert.equal(result.ok, false)
  return (result as { errors: ConfigProblem[] }).errors
}

const lines = (given: Given) => describeProblems(problems(given)).split('\n')

describe('defaults', () => {
  it('are those that are documented', () => {
    assert.deepEqual(config({ argv: ['--upstream', 'redis://10.0.0.1'] }), {
      listen: [
        {
          address: { kind: 'tcp', host: '127.0.0.1', port: 6379 },
          pooling: 'command',
          announce: null,
          tls: null,
          ...PRIMARY,
        },
      ],
      admin: { kind: 'tcp', host: '127.0.0.1', port: 9121 },
      adminToken: null,
      auth: { username: null, password: null, users: [] },
      passthrough: { maxLogins: 32, connections: 2, leases: 16, recheckInterval: 10_000, idleTimeout: 60_000 },
      upstream: {
        target: {
          kind: 'standalone',
          endpoints: [{ kind: 'tcp', host: '10.0.0.1', port: 6379 }],
          service: null,
          database: 0,
          tls: false,
          username: null,
          password: null,
        },
        tls: { verify: 'full', minVersion: '1.2' },
        sentinel: { username: null, password: null, tls: { enabled: 'auto' } },
        passwordInterval: 600_000,
        passwordOverlap: 600_000,
        start: 'lazy',
        clientName: 'respool',
        connectTimeout: 2000,
        commandTimeout: 2500,
        holdTime: 1000,
        maxHeld: 1000,
        reconnect: { minDelay: 50, maxDelay: 800 },
        cluster: { refreshInterval: 30_000, addressMap: {} },
        keepAlive: 30_000,
      },
      pool: {
        max: 8,
        min: 1,
        idleTimeout: 300_000,
        maxLifetime: 1_800_000,
        jitter: 0.1,
        healthCheckInterval: 30_000,
        leases: { max: 64, waitTimeout: 4000, maxWaiters: 1000, reserve: 8, maxBlocking: 0 },
      },
      commands: { allow: [], split: true },
      standIn: { cluster: true, sentinel: true, services: [] },
      limits: {
        connections: 20_000,
        bulkBytes: 536_870_912,
        arrayLength: 1_048_576,
        inlineBytes: 65_536,
        outstanding: 4096,
        outputBytes: 1_048_576,
        subscriberBytes: 33_554_432,
        mergedBytes: 67_108_864,
        bufferedBytes: 268_435_456,
        stallTimeout: 30_000,
        handshakeTimeout: 10_000,
        blockTime: 0,
        idleTimeout: 0,
      },
      guard: {
        rules: [
          {
            action: 'warn',
            commands: ['keys', 'flushall', 'flushdb', 'swapdb', 'save', 'monitor', 'config|set'],
            keys: [],
            channels: [],
          },
        ],
        audit: false,
        keyNames: 'hash',
        bigRequest: { bytes: 10_485_760, action: 'warn' },
        bigReply: { bytes: 10_485_760, action: 'warn' },
        manyKeys: { keys: 1000, action: 'warn' },
        endlessBlock: 'allow',
        noTtl: { prefixes: [], action: 'warn' },
        slowLog: { threshold: 100, entries: 256 },
        hotKeys: { sample: 100, keys: 100 },
      },
      scripts: { cacheBytes: 8_388_608, cacheCount: 1000 },
      cache: { prefixes: [], maxBytes: 67_108_864, maxEntries: 100_000, maxEntryBytes: 16_384, maxAge: 10_000 },
      drain: { notice: 3000, timeout: 5000 },
      reload: 'signal',
      tracing: { sampleRatio: 0.01 },
      log: { level: 'info' },
      workers: 1,
    })
  })

  it('do not include an upstream, and the mistake says how to give one', () => {
    const [problem, ...others] = problems({})
    assert.deepEqual(others, [])
    assert.equal(problem.path, 'upstream.url')
    assert.match(problem.message, /--upstream .*RESPOOL_UPSTREAM.* file/)
  })

  it('are not shared between configurations, and cannot be changed', () => {
    const one = config({ argv: UPSTREAM })
    assert.notEqual(one.listen, config({ argv: UPSTREAM }).listen)
    assert.throws(() => (one.pool.leases.max = 1), TypeError)
    assert.throws(() => one.listen.pop(), TypeError)
    assert.throws(() => (one.upstream.target.password = 'x'), TypeError)
  })
})

const PRIMARY = { role: 'primary', reads: 'primary', readYourWrites: 1000, rules: [], audit: null }

describe('precedence', () => {
  const yaml =
    'upstream: {url: redis://file:1}\nlog: {level: debug}\nadmin: :1\nlisten: [":1", ":2"]\npool: {max: 2, min: 2}'

  it('lets the environment override the file, and flags both', () => {
    const env = { RESPOOL_UPSTREAM: 'redis://env:2', RESPOOL_LOG_LEVEL: 'warn', RESPOOL_LISTEN: ':3, unix:/s' }
    const { upstream, log, admin, listen, pool } = config({ yaml, env, argv: ['--log-level', 'error'] })
    assert.deepEqual(upstream.target.endpoints, [{ kind: 'tcp', host: 'env', port: 2 }])
    assert.equal(log.level, 'error')
    assert.deepEqual(admin, { kind: 'tcp', host: '', port: 1 })
    assert.deepEqual(listen, [
      { address: { kind: 'tcp', host: '', port: 3 }, pooling: 'command', announce: null, tls: null, ...PRIMARY },
      { address: { kind: 'unix', path: '/s' }, pooling: 'command', announce: null, tls: null, ...PRIMARY },
    ])
    assert.deepEqual([pool.max, pool.min], [2, 2])
  })

  it('replaces the list of listeners as a whole', () => {
    const { listen } = config({ yaml, argv: ['--listen', ':7', '--listen=[::1]:8'] })
    assert.deepEqual(
      listen.map(({ address }) => address),
      [
        { kind: 'tcp', host: '', port: 7 },
        { kind: 'tcp', host: '::1', port: 8 },
      ],
    )
  })

  it('lets every source switch the admin API off', () => {
    assert.equal(config({ yaml: 'admin: off', argv: UPSTREAM }).admin, null)
    assert.equal(config({ env: { RESPOOL_ADMIN: 'off' }, argv: UPSTREAM }).admin, null)
    assert.equal(config({ yaml: 'admin: :1', argv: [...UPSTREAM, '--admin', 'off'] }).admin, null)
  })

  it('does not hide a mistake in a value that is overridden', () => {
    assert.deepEqual(
      problems({ yaml: 'workers: many', argv: [...UPSTREAM, '--workers', '1'] }).map(({ path }) => path),
      ['workers'],
    )
  })
})

describe('user and password', () => {
  const login = (given: Given) => {
    const { username, password } = config(given).upstream.target
    return [username, password]
  }

  it('come from the URL, from keys, or from a file without its last line break', () => {
    const files = { '/secret': 'from file \n', '/windows': 'w\r\n' }
    assert.deepEqual(login({ argv: ['--upstream', 'redis://u:p@h'] }), ['u', 'p'])
    assert.deepEqual(login({ yaml: 'upstream: {url: redis://h, username: u, password: "1"}' }), ['u', '1'])
    assert.deepEqual(login({ yaml: 'upstream: {url: redis://h, passwordFile: /secret}', files }), [null, 'from file '])
    assert.deepEqual(login({ yaml: 'upstream: {url: redis://u@h, passwordFile: /windows}', files }), ['u', 'w'])
  })

  it('come each from the strongest source that has it', () => {
    const yaml = 'upstream: {url: redis://h, username: u, passwordFile: /gone}'
    assert.deepEqual(login({ yaml, env: { RESPOOL_UPSTREAM_PASSWORD: 'e' } }), ['u', 'e'])
    assert.deepEqual(login({ yaml, env: { RESPOOL_UPSTREAM_PASSWORD: 'e' }, argv: ['--upstream', 'redis://:f@h'] }), [
      'u',
      'f',
    ])
  })

  it('must not be given twice by one source', () => {
    const yaml = 'upstream:\n  url: redis://a:b@h\n  username: c\n  password: hunter2\n  passwordFile: /f'
    assert.deepEqual(lines({ yaml }), [
      'respool.yaml:3: upstream.username: the username is given in upstream.url as well (keep one of them)',
      'respool.yaml:4: upstream.password: the password is given in upstream.url as well (keep one of them)',
      'respool.yaml:5: upstream.passwordFile: the password is given in upstream.url as well (keep one of them)',
    ])
  })

  it('must be both given, or a password alone', () => {
    assert.match(
      lines({ argv: ['--upstream', 'redis://hunter2@h'] }).join(),
      /^command line: upstream.url: .*:PASSWORD@HOST/,
    )
  })

  it('cannot come from a file that is missing or empty', () => {
    const yaml = 'upstream:\n  url: redis://h\n  passwordFile: /secret'
    assert.match(lines({ yaml }).join(), /^respool.yaml:3: upstream.passwordFile: the file cannot be read: ENOENT$/)
    assert.match(lines({ yaml, files: { '/secret': '\n' } }).join(), /^respool.yaml:3: upstream.passwordFile: .*empty/)
  })
})

describe('mistakes', () => {
  it('are all reported at once, with source, line and path', () => {
    const yaml = [
      'listen:',
      '  - 127.0.0.1:6379',
      '  - localhost',
      '  - address: "x:y"',
      'pool:',
      '  max: eight',
      '  leases:',
      '    max: 0',
      'limits:',
      '  bulkBytes: 1tb',
      '  stallTimeout:',
      '    30 seconds',
      '  idleTimeout:',
    ].join('\n')
    const env = { RESPOOL_POOL_JITTER: '2', RESPOOL_UPSTREAM_START: 'later' }
    const found = lines({ yaml, env, argv: ['--workers', '0.5', '--admin', 'nowhere', ...UPSTREAM] })
    const places = [
      'respool.yaml:3: listen[1]: ',
      'respool.yaml:4: listen[2]: ',
      'respool.yaml:6: pool.max: ',
      'respool.yaml:8: pool.leases.max: ',
      'respool.yaml:10: limits.bulkBytes: ',
      'respool.yaml:12: limits.stallTimeout: ',
      'respool.yaml:13: limits.idleTimeout: ',
      'environment: pool.jitter: ',
      'environment: upstream.start: ',
      'command line: workers: ',
      'command line: admin: ',
    ]
    assert.deepEqual(
      found.map((line, index) => line.slice(0, places[index]?.length)),
      places,
    )
  })

  it('say what is expected and what was given', () => {
    assert.deepEqual(lines({ yaml: 'pool:\n  max: eight', argv: UPSTREAM }), [
      'respool.yaml:2: pool.max: must be a whole number from 1 to 10000, not "eight"',
    ])
    assert.deepEqual(lines({ env: { RESPOOL_POOL_MAX: '0' }, argv: UPSTREAM }), [
      'environment: pool.max: RESPOOL_POOL_MAX must be a whole number from 1 to 10000, not 0',
    ])
    assert.match(
      lines({ argv: [...UPSTREAM, '--log-level', 'loud'] }).join(),
      /--log-level must be one of trace, .*not "loud"$/,
    )
  })

  it('in numbers are found in every source but text is a number only where there is nothing else', () => {
    assert.equal(config({ env: { RESPOOL_POOL_MAX: '9', RESPOOL_POOL_JITTER: '0.5' }, argv: UPSTREAM }).pool.max, 9)
    assert.deepEqual(
      problems({ yaml: 'pool: {max: "9"}', argv: UPSTREAM }).map(({ path }) => path),
      ['pool.max'],
    )
    for (const text of ['1e1', '0x8', '9.5', ' 9', '٣']) {
      assert.equal(problems({ env: { RESPOOL_POOL_MAX: text }, argv: UPSTREAM }).length, 1, text)
    }
  })

  const outOfRange: Record<string, string[]> = {
    'upstream.connectTimeout': ['0', '25d', '577h', '-1', '1.5', '.inf', 'true', '[1s]'],
    'upstream.keepAlive': ['999ms', '{a: 1}'],
    'upstream.clientName': ['a b', '""', 'ü', '12', 'x'.repeat(65)],
    'upstream.maxHeld': ['-1', '1.5'],
    'pool.jitter': ['-0.1', '0.95', '.nan', '10%'],
    'limits.bulkBytes': ['0', '65gb', '1kib', '-5'],
    'limits.inlineBytes': ['65mb'],
    'log.level': ['INFO', 'null', '3'],
    workers: ['0', '257'],
    admin: ['9121', 'false', '[]'],
    listen: ['127.0.0.1:6379', '[]', '{address: ":1"}'],
  }
  for (const [path, values] of Object.entries(outOfRange)) {
    it(`in ${path} are found`, () => {
      for (const value of values) {
        const [section, key] = path.split('.')
        const yaml = key === undefined ? `${section}: ${value}` : `${section}:\n  ${key}: ${value}`
        const found = problems({ yaml, argv: UPSTREAM })
        assert.deepEqual(
          found.map((problem) => [problem.path, problem.line]),
          [[path, key === undefined ? 1 : 2]],
          yaml,
        )
      }
    })
  }

  it('between keys are found, at the key that is given', () => {
    const yaml = 'pool: {min: 9}\nupstream:\n  reconnect:\n    maxDelay: 10ms\nlimits: {outputBytes: 1gb}'
    assert.deepEqual(
      problems({ yaml, argv: UPSTREAM }).map(({ line, path }) => [line, path]),
      [
        [1, 'pool.min'],
        [4, 'upstream.reconnect.maxDelay'],
        [5, 'limits.outputBytes'],
      ],
    )
  })

  it('between keys are not guessed at where a value is wrong in itself', () => {
    assert.deepEqual(
      problems({ yaml: 'pool: {min: 9, max: many}', argv: UPSTREAM }).map(({ path }) => path),
      ['pool.max'],
    )
  })

  it('include an upstream that is respool itself', () => {
    const loops: string[][] = [
      ['--upstream', 'redis://localhost'],
      ['--upstream', 'redis://127.0.0.1', '--listen', ':6379'],
      ['--upstream', 'redis+unix:///s', '--listen', 'unix:/s'],
      ['--upstream', 'redis+cluster://a:1,b:2', '--listen', ':0', '--listen', 'b:2'],
    ]
    for (const argv of loops)
      assert.match(lines({ argv })[0], /^command line: upstream.url: leads back to respool itself/)
  })

  it('include listeners that would have to read where nothing can be read', () => {
    const said = (listen: string, upstream: string) =>
      lines({ yaml: `listen: [${listen}]\nupstream: {url: ${upstream}}` })
    const [cluster, single] = ['redis+cluster://a:1', 'redis://a:1']
    assert.match(said('{address: ":1", role: replica}', single)[0], /cannot read from replicas of one Redis/)
    assert.match(said('{address: ":1", reads: replica}', single)[0], /cannot read from replicas of one Redis/)
    const fine = (listen: string, url: string) =>
      assert.ok(config({ yaml: `listen: [${listen}]\nupstream: {url: ${url}}` }))
    fine('{address: ":1", reads: prefer-replica}', single)
    fine('{address: ":1", role: replica}, {address: ":2", reads: nearest}', cluster)
    const mixed = '{address: ":1", role: replica, reads: prefer-replica}'
    assert.match(said(mixed, cluster)[0], /cannot have role: replica with reads: prefer-replica/)
    const pinned = '{address: ":1", reads: replica, pooling: session}'
    assert.match(said(pinned, 'redis+sentinel://a:1/s')[0], /cannot have pooling: session with reads from replicas/)
  })

  it('include listeners that take the same place', () => {
    const place = (argv: string[]) => problems({ argv: [...UPSTREAM, ...argv] }).map(({ path }) => path)
    assert.deepEqual(place(['--listen', ':1', '--listen', '127.0.0.1:1']), ['listen'])
    assert.deepEqual(place(['--listen', '127.0.0.1:9121']), ['listen'])
    assert.deepEqual(place(['--admin', '127.0.0.1:6379']), ['admin'])
    assert.ok(loaded({ argv: [...UPSTREAM, '--listen', ':0', '--listen', ':0', '--admin', ':0'] }).ok)
  })

  it('include a connection of its own for each application of a cluster', () => {
    const yaml = 'listen:\n  - :0\n  - {address: ":1", pooling: session}'
    assert.match(
      lines({ yaml, argv: ['--upstream', 'redis+cluster://a:1'] }).join(),
      /^.*:1: listen: cannot have pooling: session/,
    )
    assert.ok(loaded({ yaml, argv: UPSTREAM }).ok)
  })

  it('include limits that cannot be divided among the workers', () => {
    const found = (yaml: string, workers: number) =>
      lines({ yaml, argv: [...UPSTREAM, '--workers', String(workers)] }).map((line) => line.replace(/ \(.*/, ''))
    const divided = (path: string) =>
      `command line: workers: must not be more than ${path}, which is divided among the workers`
    assert.ok(loaded({ yaml: '', argv: [...UPSTREAM, '--workers', '8'] }).ok)
    assert.deepEqual(found('', 9), [divided('pool.max')])
    assert.deepEqual(found('pool: {leases: {max: 2, maxBlocking: 1, reserve: 0}}', 3), [
      divided('pool.leases.max'),
      divided('pool.leases.maxBlocking'),
    ])
    assert.deepEqual(found('limits: {connections: 1}', 2), [divided('limits.connections')])
    assert.match(found('limits: {bufferedBytes: 3mb}', 4).join(), /limits.bufferedBytes: is divided among the workers/)
  })

  it('include a file that is not there', () => {
    assert.match(
      lines({ argv: ['-c', 'gone.yaml'] }).join(),
      /^gone.yaml: the file cannot be read: ENOENT \(check .*-c\)$/,
    )
  })

  it('cannot forge a further line', () => {
    assert.equal(lines({ env: { 'RESPOOL_A\nrespool.yaml:1: x': '1' }, argv: UPSTREAM }).length, 1)
  })
})

describe('an address map', () => {
  const path = 'upstream.cluster.addressMap'
  const map = { '10.0.0.1:7': 'outside:8', '[::1]': 'six' }

  it('is a map in the file, and text in a variable', () => {
    const yaml = `upstream: {cluster: {addressMap: ${JSON.stringify(map)}}}`
    assert.deepEqual(config({ yaml, argv: UPSTREAM }).upstream.cluster.addressMap, map)
    const env = { RESPOOL_UPSTREAM_CLUSTER_ADDRESS_MAP: '10.0.0.1:7=outside:8, [::1]=six' }
    assert.deepEqual(config({ env, argv: UPSTREAM }).upstream.cluster.addressMap, map)
    assert.deepEqual(config({ yaml: printable(config({ yaml, argv: UPSTREAM })) }).upstream.cluster.addressMap, map)
  })

  it('has hosts on both sides, and ports on both or none', () => {
    const wrong = ['a', 'a=b:1', 'a:1=b', '=b', 'a=', 'a:0=b:1', 'a:1=b:70000', 'a b=c', 'a=b=c', 'a=b,']
    for (const text of wrong) {
      const found = problems({ env: { RESPOOL_UPSTREAM_CLUSTER_ADDRESS_MAP: text }, argv: UPSTREAM })
      assert.deepEqual(
        found.map((problem) => problem.path),
        [path],
        text,
      )
    }
    for (const value of ['[a]', '7', '{a: 7}', '{a: {b: c}}', 'null'])
      assert.equal(
        problems({ yaml: `upstream: {cluster: {addressMap: ${value}}}`, argv: UPSTREAM })[0].path,
        path,
        value,
      )
  })
})

describe('secrets', () => {
  it('are hidden in what is shown of the configuration', () => {
    const shown = config({ argv: ['--upstream', 'redis://app:hunter2@h:1/3'] })
    assert.equal(shown.upstream.target.password, 'hunter2')
    assert.match(printable(shown), /^ {2}url: redis:\/\/h:1\/3\n {2}username: app\n {2}password: "\*\*\*"$/m)
    for (const text of [printable(shown), JSON.stringify(publicConfig(shown))]) assert.ok(!text.includes('hunter2'))
  })

  it('are in no message, whatever is wrong', () => {
    const secret = 'hunter2'
    const urls = [`redis://u:${secret}/@h`, `redis://${secret}`, `//:${secret}@h`, secret, `redis://u:${secret}@h:x`]
    const givens: Given[] = [
      ...urls.flatMap((url) => [
        { argv: ['--upstream', `${url}:x/y`] },
        { argv: [url.includes('//') ? url : `//${url}`] },
        { argv: ['--listen', `//${url}@`, `--upstrem=${url}`] },
        { env: { RESPOOL_UPSTREAM: `${url}:x/y`, RESPOOL_LOG_LEVEL: `//${url}@` } },
        { yaml: `upstream:\n  url: ${url}:x/y` },
        { yaml: `upstream:\n  "${url}@":` },
        { yaml: `upstream: ${url}` },
      ]),
      { yaml: `upstream: {password: *${secret}, url: redis://h}` },
      { yaml: `upstream: {password: !${secret} x, url: "redis://h"}` },
      { yaml: `upstream: {password: "\\${secret}", url: "redis://h"}` },
      { yaml: `upstream: {password: '${secret}, url: "redis://h"}` },
      { yaml: `upstream:\n  password: ${secret}: x` },
      { yaml: `upstream: {password: [${secret}], url: "redis://h"}` },
    ]
    for (const given of givens) {
      const text = describeProblems(problems(given))
      assert.ok(!text.includes(secret), `${JSON.stringify(given)}\n${text}`)
    }
  })
})

describe('what is shown of the configuration', () => {
  it('can be read again and gives the same', () => {
    const yaml = [
      'listen: [":0", unix:/s, {address: "[::1]:5"}, {address: ":7", pooling: session}, {address: unix:/t, announce: "[::2]:8"}]',
      'standIn: {cluster: off, services: [a, b]}',
      'admin: off',
      'upstream: {url: redis+unix:///r%3F?db=4, holdTime: 1234, keepAlive: 0, reconnect: {minDelay: 1s, maxDelay: 1m}}',
      'limits: {bulkBytes: 1.5mb, idleTimeout: 36h}',
      'log: {level: silent}',
    ].join('\n')
    const first = config({ yaml })
    assert.deepEqual(config({ yaml: printable(first) }), first)
  })

  it('can be read again also where replicas are read from', () => {
    const listen =
      '[{address: ":1", role: replica, reads: random}, {address: ":2", role: replica}, {address: ":3", reads: nearest, readYourWrites: 0}]'
    const first = config({ yaml: `listen: ${listen}\nupstream: {url: redis+cluster://a:1}` })
    assert.deepEqual(
      first.listen.map(({ role, reads, readYourWrites }) => [role, reads, readYourWrites]),
      [
        ['replica', 'random', 1000],
        ['replica', 'replica', 1000],
        ['primary', 'nearest', 0],
      ],
    )
    assert.deepEqual(config({ yaml: printable(first) }), first)
  })

  it('names every key that has a value', () => {
    const shown = printable(config({ argv: ['--upstream', 'redis://u:p@h'], yaml: 'adminToken: t' }))
    for (const { segments, path } of KEYS) {
      // Files and names that are not given are not shown.
      if (!/(File|Command)$|\.tls\.(ca|cert|key|serverName)$|^tracing\.endpoint$/.test(path))
        assert.match(shown, new RegExp(`^ *${segments.at(-1)}:`, 'm'))
    }
  })
})
