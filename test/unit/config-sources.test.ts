import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { usage } from '../../src/config/command-line.ts'
import { KEYS } from '../../src/config/keys.ts'
import { describeProblems, load } from '../../src/config/load.ts'

const UPSTREAM = ['--upstream', 'redis://10.0.0.1:6380']

const readFile = (): string => {
  throw new Error('no file is given')
}

function mistakes(argv: string[], env: Record<string, string | undefined> = {}): string[] {
  const result = load({ argv: [...UPSTREAM, ...argv], env, readFile })
  return result.ok === false ? describeProblems(result.errors).split('\n') : []
}

describe('the command line', () => {
  it('asks for help or version before anything else, even among mistakes', () => {
    assert.deepEqual(load({ argv: ['--nonsense', '--help', '--version'], env: {}, readFile }), { ok: 'help' })
    assert.deepEqual(load({ argv: ['--version', '--workers'], env: { RESPOOL_X: '1' }, readFile }), { ok: 'version' })
  })

  it('asks for a check', () => {
    const check = (argv: string[]) => {
      const result = load({ argv: [...UPSTREAM, ...argv], env: {}, readFile })
      return result.ok === true && result.check
    }
    assert.equal(check(['--check']), true)
    assert.equal(check([]), false)
  })

  it('takes the file as -c FILE, -cFILE and --config=FILE', () => {
    for (const argv of [['-c', 'f'], ['-cf'], ['--config=f']]) {
      const read: string[] = []
      const readEmpty = (path: string) => {
        read.push(path)
        return ''
      }
      assert.equal(load({ argv: [...UPSTREAM, ...argv], env: {}, readFile: readEmpty }).ok, true)
      assert.deepEqual(read, ['f'])
    }
  })

  it('lets the last of a repeated flag count', () => {
    const result = load({ argv: [...UPSTREAM, '--upstream', 'redis://h:2'], env: {}, readFile })
    assert.ok(result.ok === true)
    assert.deepEqual(result.config.upstream.target.endpoints, [{ kind: 'tcp', host: 'h', port: 2 }])
  })

  const wrong: [string[], RegExp][] = [
    [['--listn', ':1'], /^command line: --listn: unknown flag \(did you mean --listen\?\)/],
    [['--log_level=info'], /did you mean --log-level/],
    [['--zzz'], /--help lists them/],
    [['-x'], /^command line: -x: unknown flag/],
    [['--constructor'], /unknown flag/],
    [['--listen'], /^command line: --listen: needs a value: --listen ADDR$/],
    [['--listen', '--check'], /needs a value/],
    [['--admin='], /needs a value/],
    [['--check=yes'], /^command line: --check: takes no value$/],
    [['redis://h'], /put --upstream before it/],
    [['start'], /^command line: an argument stands without a flag/],
    [['--', 'start'], /an argument stands without a flag/],
  ]
  for (const [argv, message] of wrong) {
    it(`reports ${argv.join(' ')}`, () => assert.match(mistakes(argv).join('\n'), message))
  }

  it('has a usage text that names every flag', () => {
    for (const flag of [
      '-c',
      '--listen',
      '--admin',
      '--upstream',
      '--workers',
      '--log-level',
      '--check',
      '--version',
      '--help',
    ]) {
      assert.match(usage(), new RegExp(`^ +(-., )?${flag}\\b`, 'm'))
    }
  })
})

describe('the environment', () => {
  it('has a variable for every key', () => {
    const variables = new Map(KEYS.map(({ path, variable }) => [path, variable]))
    assert.equal(variables.get('pool.max'), 'RESPOOL_POOL_MAX')
    assert.equal(variables.get('pool.leases.waitTimeout'), 'RESPOOL_POOL_LEASES_WAIT_TIMEOUT')
    assert.equal(variables.get('upstream.commandTimeout'), 'RESPOOL_UPSTREAM_COMMAND_TIMEOUT')
    assert.equal(variables.get('limits.bulkBytes'), 'RESPOOL_LIMITS_BULK_BYTES')
    assert.equal(new Set(variables.values()).size, KEYS.length)
  })

  it('has its say on every key', () => {
    // No value of a key can be this, but for a user, a password and a token; their files are one too many.
    const env = Object.fromEntries(KEYS.map(({ variable }) => [variable, '\u0001']))
    const accepted = new Set(
      KEYS.map(({ path }) => path).filter((path) => /(^|\.)(username|password|adminToken)$/.test(path)),
    )
    const reported = mistakes([], env).map((line) => /^environment: ([\w.]+): /.exec(line)?.[1])
    for (const { path } of KEYS) assert.equal(reported.includes(path), !accepted.has(path), path)
  })

  it('counts an empty variable as not set, and leaves others alone', () => {
    assert.deepEqual(
      mistakes([], { RESPOOL_ADMIN: '', RESPOOL_POOL_MAXX: '', RESPOOL: 'x', REDIS_URL: 'x', PATH: undefined }),
      [],
    )
  })

  it('reports unknown variables with the nearest known one', () => {
    assert.deepEqual(
      mistakes([], { RESPOOL_POOL_MAXIMUM: '8', RESPOOL_UPSTREAM_PASWORD: 'x', RESPOOL_QQQQQQQQQQQQ: '1' }),
      [
        'environment: RESPOOL_POOL_MAXIMUM: unknown variable (did you mean RESPOOL_POOL_MAX?)',
        'environment: RESPOOL_UPSTREAM_PASWORD: unknown variable (did you mean RESPOOL_UPSTREAM_PASSWORD?)',
        'environment: RESPOOL_QQQQQQQQQQQQ: unknown variable',
      ],
    )
  })

  it('reports both names of the upstream at once', () => {
    assert.match(mistakes([], { RESPOOL_UPSTREAM: 'redis://a', RESPOOL_UPSTREAM_URL: 'redis://b' }).join(), /both set/)
  })

  it('ignores what Kubernetes sets for services whose names begin with respool', () => {
    const links = {
      RESPOOL_SERVICE_HOST: '10.96.0.7',
      RESPOOL_SERVICE_PORT: '9121',
      RESPOOL_SERVICE_PORT_METRICS: '9121',
      RESPOOL_PORT: 'tcp://10.96.0.7:9121',
      RESPOOL_PORT_9121_TCP: 'tcp://10.96.0.7:9121',
      RESPOOL_PORT_9121_TCP_PROTO: 'tcp',
      RESPOOL_PORT_9121_TCP_PORT: '9121',
      RESPOOL_PORT_9121_TCP_ADDR: '10.96.0.7',
      RESPOOL_ADMIN_SERVICE_HOST: '10.96.0.8',
      RESPOOL_ADMIN_PORT: 'udp://10.96.0.8:53',
      RESPOOL_ADMIN_PORT_53_UDP_ADDR: '10.96.0.8',
    }
    assert.deepEqual(mistakes([], links), [])
  })

  it('reports a guess at a setting that only ends like those', () => {
    assert.match(mistakes([], { RESPOOL_PORT: '6379' }).join(), /^environment: RESPOOL_PORT: unknown variable/)
    assert.match(mistakes([], { RESPOOL_LISTEN_PORT: '6379' }).join(), /unknown variable/)
  })

  it('has no variable that Kubernetes could set', () => {
    for (const { variable } of KEYS) assert.doesNotMatch(variable, /(SERVICE_HOST|_PORT)$|SERVICE_PORT|_PORT_/)
  })
})
